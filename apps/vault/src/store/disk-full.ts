/** ENOSPC and EDQUOT from a file, SQLITE_FULL and a failed write below SQLite (SQLITE_IOERR on a full disk), however wrapped. */
export function isDiskFull(error: unknown): boolean {
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth += 1) {
    const code = 'code' in cause ? String(cause.code) : '';
    if (
      code === 'ENOSPC' ||
      code === 'EDQUOT' ||
      code === 'SQLITE_FULL' ||
      /SQLITE_FULL|SQLITE_IOERR|ENOSPC|database or disk is full/u.test(cause.message)
    )
      return true;
    if (cause.name === 'StoreFullError') return true;
  }
  return false;
}
