import { typeOfExtension } from '@kuramori/content';
import { familyOf, isUnmistakable } from '../families';
import { baseName, extensionOf, type Features, type Finding, isCiphertext } from '../observation';

/** Extensions that programs and people give while they work: backups, parts, rotated logs, workflow marks. */
const usual =
  /^(?:bak|backup|bkp|bck|old|orig|original|save|saved|sav|tmp|temp|part|partial|crdownload|download|filepart|swp|swo|lock|new|prev|previous|copy|rej|dpkg-\w+|rpmsave|rpmnew|ucf-\w+|done|processed|archived|archive|disabled|enabled|off|inactive|sent|imported|exported|ok|err|error|failed|skip|hold|draft|final|example|sample|dist|default|in|template|tmpl|j2|sb-[\w-]+|v?\d{1,14}|\d{4}-\d\d-\d\d.*|~.*|.*~)$/u;
/** The heaviest is known again by its weight when a verdict is recalled: see the engine. */
export const churnWeights = { family: 15, unreadable: 10, readable: 4 };

/** A file got an extension that no program knows. Alone it only warns; with lost content, a note or a family's name it speaks clearly. */
export function extensionChurn(oldPath: string, newPath: string, content: Features | undefined): Finding | undefined {
  const extension = extensionOf(newPath);
  if (extension === '' || extension === extensionOf(oldPath) || typeOfExtension(baseName(newPath)) !== '' || usual.test(extension)) return undefined;
  if (typeOfExtension(baseName(oldPath)) === '') return undefined;
  const family = familyOf(newPath);
  const weighsAlone = family !== undefined && isUnmistakable(extension);
  const otherwise = content !== undefined && isCiphertext(content) ? churnWeights.unreadable : churnWeights.readable;
  return {
    indicator: 'extension-churn',
    kind: weighsAlone ? 'harm' : 'name',
    weight: weighsAlone ? churnWeights.family : otherwise,
    technique: 'T1486',
    summary: `${baseName(oldPath)} was renamed to ${baseName(newPath)}, which no program opens`,
    ...(family === undefined ? {} : { family }),
  };
}
