/**
 * Kuramori's own processes (rules.md 3): `up` registers each child in dataDir/run/processes.json, replaced atomically. Identity is (pid, startTime).
 */
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
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

/** Written by the supervisor alone. */
export function writeOwnProcesses(dataDir: string, processes: readonly OwnProcess[]): void {
  const file = ownProcessesFile(dataDir);
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, JSON.stringify(processes), { mode: 0o600 });
  renameSync(temporary, file);
}

/** Reads the list again whenever the file was replaced. A missing or broken file means: only this process is known. */
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
    const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
    const stamp = stat === undefined ? '' : `${stat.ino}:${stat.mtimeNs}`;
    if (stamp === this.stamp) return;
    this.stamp = stamp;
    try {
      this.processes = stamp === '' ? [] : (JSON.parse(readFileSync(file, 'utf8')) as readonly OwnProcess[]);
    } catch {
      this.processes = [];
    }
  }
}
