export { defaultSettingsYaml } from './default-settings';
export { loadSettings, parseSettings, SettingsError, settingsFile } from './load-settings';
export type { Language, MailSettings, Mode, SensorChoice, Settings } from './settings';
export { SettingsDocument } from './settings-document';
export { httpPortCount, servicePort } from './ports';
export { settingsJsonSchema } from './json-schema';
export { keptFiles } from './kept-files';
export { type WorkingRoom, workingRoom } from './working-room';
