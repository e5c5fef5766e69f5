import type { ContentFeatures } from '@kuramori/contracts';
import { typeOfExtension } from '@kuramori/content';
import { familyOf } from '../families';
import { baseName, extensionOf, type Finding, isCiphertext } from '../observation';

/** Extensions that programs and people give while they work: backups, parts, rotated logs. */
const usual = /^(?:bak|backup|old|orig|save|tmp|temp|part|partial|crdownload|swp|lock|new|prev|copy|rej|dpkg-\w+|rpmsave|rpmnew|\d{1,8}|~.*|.*~)$/u;

/** A file got an extension that no program knows. Alone it only warns; with lost content it speaks clearly. */
export function extensionChurn(oldPath: string, newPath: string, content: ContentFeatures | undefined): Finding | undefined {
  const extension = extensionOf(newPath);
  if (extension === '' || extension === extensionOf(oldPath) || typeOfExtension(baseName(newPath)) !== '' || usual.test(extension)) return undefined;
  if (typeOfExtension(baseName(oldPath)) === '') return undefined;
  const family = familyOf(newPath);
  const weight = family !== undefined ? 15 : content !== undefined && isCiphertext(content) ? 10 : 4;
  return {
    indicator: 'extension-churn',
    path: oldPath,
    weight,
    technique: 'T1486',
    summary: `${baseName(oldPath)} was renamed to ${baseName(newPath)}: no program knows .${extension}`,
  };
}

/** Renaming alone, however much of it, stays a warning. */
export const extensionChurnAloneLimit = 70;
