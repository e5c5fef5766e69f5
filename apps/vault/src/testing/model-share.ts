import type { JournalEntry } from '../undo/journal-entry';

/** A change that an actor asks for; it happens only where it can. */
export interface Wish {
  readonly actor: 'attacker' | 'other';
  readonly operation: 'write' | 'delete' | 'rename';
  readonly path: string;
  readonly to: string;
}

interface ModelFile {
  readonly id: number;
  content: number;
}

/** A flat share in memory that keeps a journal as the vault does. Directories exist as parts of paths only. */
export class ModelShare {
  readonly files = new Map<string, ModelFile>();
  readonly journal: JournalEntry[] = [];
  private nextFile = 1;
  private nextContent = 1;

  constructor(paths: readonly string[]) {
    for (const path of paths) this.files.set(path, this.newFile());
  }

  private newFile(): ModelFile {
    const file = { id: this.nextFile, content: this.nextContent };
    this.nextFile += 1;
    this.nextContent += 1;
    return file;
  }

  apply({ actor, operation, path, to }: Wish): void {
    const file = this.files.get(path);
    const base = {
      id: this.journal.length + 1,
      atMs: this.journal.length,
      kind: 'file',
      path,
      oldPath: undefined,
      before: undefined,
      after: undefined,
    } as const;
    const rest = { replaced: undefined, undo: actor === 'attacker', own: false, written: false };
    if (operation === 'write') {
      if (file === undefined) {
        const created = this.newFile();
        this.files.set(path, created);
        this.journal.push({ ...base, ...rest, operation: 'created', fileId: created.id, from: null, to: created.content, written: true });
        return;
      }
      const from = file.content;
      file.content = this.nextContent;
      this.nextContent += 1;
      this.journal.push({ ...base, ...rest, operation: 'modified', fileId: file.id, from, to: file.content, written: true });
    } else if (operation === 'delete' && file !== undefined) {
      this.files.delete(path);
      this.journal.push({ ...base, ...rest, operation: 'deleted', fileId: file.id, from: file.content, to: null });
    } else if (operation === 'rename' && file !== undefined && to !== path) {
      const replaced = this.files.get(to);
      this.files.delete(path);
      this.files.set(to, file);
      this.journal.push({
        ...base,
        ...rest,
        operation: 'renamed',
        path: to,
        oldPath: path,
        fileId: file.id,
        from: file.content,
        to: file.content,
        replaced: replaced === undefined ? undefined : { fileId: replaced.id, version: replaced.content, metadata: undefined },
      });
    }
  }

  contents(): Record<string, number> {
    return Object.fromEntries([...this.files].map(([path, { content }]) => [path, content] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
