/** Each entry point becomes `outdir`/`out`.mjs. */
export function bundle(entryPoints: readonly { readonly in: string; readonly out: string }[], outdir: string): Promise<void>;
