/**
 * Kuramori's own processes (rules.md 3): `up` registers each child in dataDir/run/processes.json; a service that others start (a container, a service manager) registers
 * itself in dataDir/run/alone/<name>.json. Files are replaced atomically. Identity is (pid, startTime): what a dead one left behind names nobody.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface OwnProcess {
  /** `up`, `nats-server`, or a service's name. */
  readonly name: string;
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly startTime: number;
}

export function ownProcessesFile(dataDir: string): string {
  return path.join(dataDir, 'run', 'processes.json');
}

function aloneDirectory(dataDir: string): string {
  return path.join(dataDir, 'run', 'alone');
}

/** Written by the supervisor alone. */
export function writeOwnProcesses(dataDir: string, processes: readonly OwnProcess[]): void {
  replace(ownProcessesFile(dataDir), processes);
}

/** Of a service without supervisor. Makes the directory where missing. */
export function registerAlone(dataDir: string, own: OwnProcess): void {
  mkdirSync(aloneDirectory(dataDir), { recursive: true, mode: 0o700 });
  replace(path.join(aloneDirectory(dataDir), `${own.name}.json`), [own]);
}

function replace(file: string, processes: readonly OwnProcess[]): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(processes), { mode: 0o600 });
  renameSync(temporary, file);
}

/** Reads the lists again whenever one was replaced. A missing or broken file means: those in it are not known. */
export class OwnProcesses {
  private stamp = '';
  private processes: readonly OwnProcess[] = [];

  constructor(private readonly dataDir: string) {}

  list(): readonly OwnProcess[] {
    this.refresh();
    return this.processes;
  }

  has(pid: number, startTime: number): boolean {
    this.refresh();
    return pid === process.pid || this.processes.some((own) => own.pid === pid && own.startTime === startTime);
  }

  private refresh(): void {
    const file = ownProcessesFile(this.dataDir);
    const alone = aloneDirectory(this.dataDir);
    // The directory's time is that of the last file that was replaced in it.
    const stamp = `${stampOf(file)} ${stampOf(alone)}`;
    if (stamp === this.stamp) return;
    this.stamp = stamp;
    this.processes = [file, ...filesIn(alone)].flatMap(read);
  }
}

function stampOf(file: string): string {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.ino}:${stat.mtimeNs}`;
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.json'))
      .map((name) => path.join(directory, name));
  } catch {
    return [];
  }
}

function read(file: string): readonly OwnProcess[] {
  try {
    const processes: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return Array.isArray(processes) ? (processes as readonly OwnProcess[]) : [];
  } catch {
    return [];
  }
}
