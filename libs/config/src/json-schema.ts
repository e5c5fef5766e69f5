/** JSON Schema (draft 7) of kuramori.yaml for editors, made from the classes that check it. Loaded when asked for: no service needs it. */
export async function settingsJsonSchema(): Promise<object> {
  const [{ validationMetadatasToSchemas }, { defaultMetadataStorage }, { SettingsDocument }] = await Promise.all([
    import('class-validator-jsonschema'),
    import('class-transformer/cjs/storage.js'),
    import('./settings-document'),
  ]);
  const schemas = validationMetadatasToSchemas({ refPointerPrefix: '#/definitions/', classTransformerMetadataStorage: defaultMetadataStorage });
  const definitions = Object.fromEntries(Object.entries(schemas).filter(([name]) => name.endsWith('Section') || name === 'WhitelistEntry'));
  for (const definition of [...Object.values(definitions), schemas[SettingsDocument.name] ?? {}]) {
    Object.assign(definition, { additionalProperties: false });
    const optional = Object.entries(definition.properties ?? {}).filter(([name]) => definition.required?.includes(name) !== true);
    for (const [name, property] of optional) Object.assign(definition.properties ?? {}, { [name]: emptyAllowed(name, property) });
  }
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'kuramori.yaml', definitions, ...schemas[SettingsDocument.name] };
}

/** `key:` with nothing behind it is null in YAML and means the default. `extensions` may be the one word too, which the classes say by a condition. */
function emptyAllowed(name: string, property: object): object {
  if (Object.keys(property).length === 0) return {};
  return { anyOf: [property, { type: 'null' }, ...(name === 'extensions' ? [{ const: 'all' }] : [])] };
}
