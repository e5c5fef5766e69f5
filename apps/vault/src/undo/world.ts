import type { EntryKind } from '@kuramori/contracts';
import type { Metadata } from '../catalogue/rows';

/** Content of a file: a stored version's id, or a name for content that no version holds (two of them are the same content only if they have the same name). */
export type Content = number | `unstored:${string}`;

export interface Node {
  readonly id: number;
  readonly kind: EntryKind;
  /** undefined: it is not in this world's tree. */
  parent: number | undefined;
  name: string;
  content: Content | undefined;
  /** The newest content before that is stored; for content that isn't. */
  fallback: number | undefined;
  metadata: Metadata | undefined;
}

/** The top of every tree; its name is empty, so that paths begin with `/`. */
export const top = 0;
/** Bounds every climb: a ring would be a fault of the planner, which must not hang the vault. */
const deepest = 4096;

/** A tree of files by stable ids: a directory's rename moves what is below without a word. */
export class World {
  private constructor(
    private readonly nodes: Map<number, Node>,
    private readonly children: Map<number, Map<string, number>>,
  ) {}

  static empty(): World {
    const root: Node = { id: top, kind: 'directory', parent: undefined, name: '', content: undefined, fallback: undefined, metadata: undefined };
    return new World(new Map([[top, root]]), new Map());
  }

  clone(): World {
    return new World(
      new Map([...this.nodes].map(([id, node]) => [id, { ...node }])),
      new Map([...this.children].map(([id, names]) => [id, new Map(names)])),
    );
  }

  all(): Node[] {
    return [...this.nodes.values()];
  }

  /** The node as this world has it. @throws Error for an id that was never added, which is a fault of the planner */
  node(id: number): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  add(id: number, kind: EntryKind): Node {
    const node: Node = { id, kind, parent: undefined, name: '', content: undefined, fallback: undefined, metadata: undefined };
    this.nodes.set(id, node);
    return node;
  }

  isPlaced(id: number): boolean {
    return this.pathOf(id) !== undefined;
  }

  pathOf(id: number): string | undefined {
    const names: string[] = [];
    for (let current = this.nodes.get(id), depth = 0; current !== undefined && depth < deepest; depth += 1) {
      if (current.id === top) return names.reverse().join('');
      if (current.parent === undefined) return undefined;
      names.push(`/${current.name}`);
      current = this.nodes.get(current.parent);
    }
    return undefined;
  }

  child(parent: number, name: string): number | undefined {
    return this.children.get(parent)?.get(name);
  }

  childrenOf(parent: number): number[] {
    return [...(this.children.get(parent)?.values() ?? [])];
  }

  find(path: string): number | undefined {
    let current: number | undefined = top;
    for (const name of path.split('/').slice(1)) {
      if (current === undefined) return undefined;
      current = this.child(current, name);
    }
    return current;
  }

  /** Puts a node to a place; who was there is taken off. */
  place(id: number, parent: number, name: string): void {
    this.unlink(id);
    const occupant = this.child(parent, name);
    if (occupant !== undefined) this.unlink(occupant);
    const node = this.node(id);
    node.parent = parent;
    node.name = name;
    const names = this.children.get(parent) ?? new Map<string, number>();
    names.set(name, id);
    this.children.set(parent, names);
  }

  /** Takes a node, with what is below, off the tree. */
  unlink(id: number): void {
    const node = this.node(id);
    if (node.parent === undefined) return;
    this.children.get(node.parent)?.delete(node.name);
    node.parent = undefined;
  }

  /** Whether `id` is `ancestor` or below it. */
  isWithin(id: number, ancestor: number): boolean {
    let current: number | undefined = id;
    for (let depth = 0; current !== undefined && depth < deepest; depth += 1) {
      if (current === ancestor) return true;
      current = this.node(current).parent;
    }
    return false;
  }
}

export function splitPath(path: string): { readonly directory: string; readonly name: string } {
  const at = path.lastIndexOf('/');
  return { directory: path.slice(0, at), name: path.slice(at + 1) };
}
