import { type ChildProcess, spawn } from 'node:child_process';
import { readStat } from '@kuramori/platform';
import { Backoff } from './backoff';
import { eachLine } from './output-lines';

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface ProcessEvents {
  line(name: string, text: string): void;
  /** A new process runs, or one has ended. */
  changed(): void;
  /** It ended by itself before it was ever healthy: with a status (it knows why) or by a signal. */
  failedToStart(process: SupervisedProcess, code: number): void;
  /** It ended by itself and is started again after the delay. */
  died(process: SupervisedProcess, how: string, delayMs: number): void;
}

/** Last lines kept to say why a start failed. */
const keptLines = 5;

/** One process that is kept running until it is stopped. */
export class SupervisedProcess {
  readonly lastLines: string[] = [];
  private child: ChildProcess | undefined;
  private startTime = 0;
  private readonly backoff = new Backoff();
  private restartTimer: NodeJS.Timeout | undefined;
  private healthySinceMs: number | undefined;
  private everHealthy = false;
  private stopping = false;
  private restarting = false;
  private readonly endListeners = new Set<() => void>();

  constructor(
    readonly spec: ProcessSpec,
    private readonly events: ProcessEvents,
  ) {}

  get name(): string {
    return this.spec.name;
  }

  /** Undefined while it does not run. */
  get identity(): { readonly name: string; readonly pid: number; readonly startTime: number } | undefined {
    const pid = this.child?.pid;
    return pid === undefined || this.startTime === 0 ? undefined : { name: this.name, pid, startTime: this.startTime };
  }

  start(): void {
    if (this.stopping) return;
    this.healthySinceMs = undefined;
    const child = spawn(this.spec.command, this.spec.args, {
      env: this.spec.env,
      // A session of its own: Ctrl-C in the terminal reaches `up` alone, which stops all in order. The pipe to stdin tells it when `up` is gone.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child = child;
    this.startTime = child.pid === undefined ? 0 : (readStat(child.pid)?.startTime ?? 0);
    const take = (line: string) => {
      this.lastLines.push(line);
      if (this.lastLines.length > keptLines) this.lastLines.shift();
      this.events.line(this.name, line);
    };
    eachLine(child.stdout, take);
    eachLine(child.stderr, take);
    child.stdin.on('error', () => undefined);
    let ended = false;
    const end = (how: string, code: number | undefined) => {
      if (ended) return;
      ended = true;
      this.ended(how, code);
    };
    child.once('error', (error) => {
      if (child.pid === undefined) {
        take(`can't be started: ${error.message}`);
        end(error.message, 1);
      }
    });
    // `close` comes after the last line was read.
    child.once('close', (code, signal) => end(signal === null ? `exit status ${code ?? 0}` : `signal ${signal}`, code ?? undefined));
    this.events.changed();
  }

  /** Said by whoever asks for its health. */
  markHealthy(): void {
    this.everHealthy = true;
    this.healthySinceMs ??= performance.now();
  }

  /** Asks it to end and never starts it again; resolves when it has ended, or rejects nothing: see {@link kill}. */
  async stop(timeoutMs: number): Promise<boolean> {
    this.stopping = true;
    clearTimeout(this.restartTimer);
    if (this.child === undefined) return true;
    this.signal('SIGTERM');
    return this.waitForEnd(timeoutMs);
  }

  /** Ends it and starts it again at once: it runs, but no longer does its work. */
  restart(): void {
    if (this.stopping || this.restarting || this.child === undefined) return;
    this.restarting = true;
    // What hangs in a write does not hear a polite request.
    this.signal('SIGKILL');
  }

  /** For what did not end in time. */
  async kill(timeoutMs: number): Promise<boolean> {
    this.stopping = true;
    clearTimeout(this.restartTimer);
    if (this.child === undefined) return true;
    this.signal('SIGKILL');
    return this.waitForEnd(timeoutMs);
  }

  private signal(signal: 'SIGTERM' | 'SIGKILL'): void {
    // Our own child that has not been waited for keeps its pid: nobody else can have it.
    this.child?.kill(signal);
  }

  private waitForEnd(timeoutMs: number): Promise<boolean> {
    if (this.child === undefined) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (ended: boolean) => {
        clearTimeout(timer);
        this.endListeners.delete(onEnd);
        resolve(ended);
      };
      const onEnd = () => settle(true);
      const timer = setTimeout(() => settle(false), Math.max(0, timeoutMs));
      this.endListeners.add(onEnd);
    });
  }

  private ended(how: string, code: number | undefined): void {
    const healthyMs = this.healthySinceMs === undefined ? 0 : performance.now() - this.healthySinceMs;
    this.child = undefined;
    this.startTime = 0;
    this.healthySinceMs = undefined;
    this.events.changed();
    for (const listener of this.endListeners) listener();
    if (this.stopping) return;
    if (this.restarting) {
      this.restarting = false;
      this.start();
      return;
    }
    if (!this.everHealthy && this.backoff.restarts === 0 && code !== undefined) {
      this.events.failedToStart(this, code);
      return;
    }
    const delayMs = this.backoff.next(healthyMs);
    this.events.died(this, how, delayMs);
    this.restartTimer = setTimeout(() => this.start(), delayMs);
  }
}
