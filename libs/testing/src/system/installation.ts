/** A whole Kuramori of a test's own: settings, ports and data in a temporary directory, services as real processes through `kuramori up`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Incident } from '@kuramori/contracts';
import { freePorts } from './ports';
import { waitFor } from './wait';

export interface InstallationOptions {
  /** The checkout: its dist/ is run. */
  readonly projectRoot: string;
  /** Where everything goes; default: a fresh directory below the system's temporary one. */
  readonly directory?: string;
  /** Settings merged over the test's own, as in kuramori.yaml. JSON is YAML. */
  readonly settings?: Record<string, unknown>;
  readonly sensor?: 'auto' | 'fanotify' | 'chokidar';
  readonly mailPort?: number;
  readonly env?: Record<string, string>;
}

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** As `kuramori status --json` prints it. */
export interface StatusReport {
  readonly ready: boolean;
  readonly mode: string;
  readonly services: Readonly<Record<string, { readonly status: string; readonly pid: number; readonly uptimeS: number; readonly reason?: string }>>;
  readonly protection: { readonly files: number; readonly bytes: number; readonly pending: number; readonly oldestPendingMs: number };
  readonly vault: { readonly versions: number; readonly storedBytes: number; readonly logicalBytes: number; readonly freeBytes: number };
  readonly incidents: { readonly open: number };
}

export class Installation {
  private up: ChildProcess | undefined;
  private output = '';

  private constructor(
    private readonly options: InstallationOptions,
    readonly directory: string,
    readonly httpPort: number,
    readonly busPort: number,
  ) {}

  static async create(options: InstallationOptions): Promise<Installation> {
    const directory = options.directory ?? mkdtempSync(path.join(tmpdir(), 'kuramori-test-'));
    const firstPort = await freePorts(8);
    const installation = new Installation(options, directory, firstPort, firstPort + 7);
    mkdirSync(installation.share, { recursive: true });
    writeFileSync(path.join(directory, '.scratch-ok'), '');
    writeFileSync(installation.settingsFile, JSON.stringify(installation.settings(), undefined, 2));
    return installation;
  }

  get share(): string {
    return path.join(this.directory, 'share');
  }
  get dataDir(): string {
    return path.join(this.directory, 'data');
  }
  get settingsFile(): string {
    return path.join(this.directory, 'kuramori.yaml');
  }
  /** Everything `up` and the services have printed. */
  get log(): string {
    return this.output;
  }
  get upPid(): number | undefined {
    return this.up?.pid;
  }

  private settings(): Record<string, unknown> {
    const { sensor, mailPort, settings } = this.options;
    return {
      host: 'test-host',
      dataDir: this.dataDir,
      protect: { roots: [this.share], sensor: sensor ?? 'auto' },
      vault: { versions: 4, reserveFree: '1%' },
      http: { bind: '127.0.0.1', port: this.httpPort },
      bus: { port: this.busPort },
      ...(mailPort === undefined
        ? {}
        : { notify: { mail: { host: '127.0.0.1', port: mailPort, tls: 'none', from: 'kuramori@example.test', to: ['admin@example.test'] } } }),
      ...settings,
    };
  }

  private spawnCommand(args: readonly string[]): ChildProcess {
    const cli = path.join(this.options.projectRoot, 'dist', 'apps', 'cli', 'main.mjs');
    return spawn(process.execPath, [cli, ...args], {
      cwd: this.directory,
      env: { ...process.env, KURAMORI_CONFIG: this.settingsFile, ...this.options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A session of its own, as a service has: what the test attacks with is not its relative.
      detached: true,
    });
  }

  /** Starts `up`; does not wait. */
  start(): void {
    this.output = '';
    const child = this.spawnCommand(['up']);
    this.up = child;
    const collect = (chunk: Buffer) => {
      // Bounded: a test that goes wrong may log for ever.
      this.output = (this.output + chunk.toString('utf8')).slice(-2_000_000);
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
  }

  async run(...args: string[]): Promise<CommandResult> {
    const child = this.spawnCommand(args);
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString('utf8')));
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? 128));
    });
    return { status, stdout, stderr };
  }

  async status(): Promise<StatusReport> {
    const { status, stdout, stderr } = await this.run('status', '--json');
    if (stdout.trim() === '') throw new Error(`status exited with ${status}: ${stderr}`);
    return JSON.parse(stdout) as StatusReport;
  }

  async incidents(): Promise<Incident[]> {
    const { status, stdout, stderr } = await this.run('incidents', '--json');
    if (status !== 0) throw new Error(`incidents exited with ${status}: ${stderr}`);
    const parsed = JSON.parse(stdout) as Incident[] | { incidents: Incident[] };
    return Array.isArray(parsed) ? parsed : parsed.incidents;
  }

  /** Waits until everything is healthy and the baseline done. */
  async ready(timeoutMs = 60_000): Promise<void> {
    await this.explained(() =>
      waitFor('kuramori ready', timeoutMs, async () => {
        if (this.up?.exitCode !== null) throw new Error('up has ended');
        return (await this.status()).ready;
      }),
    );
  }

  /** Runs something and adds the services' last output to its error. */
  async explained<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n--- last output of up ---\n${this.output.slice(-6000)}`, {
        cause: error,
      });
    }
  }

  /** Process ids by name as `up` registered them: `up`, `nats-server` and the services. */
  processes(): ReadonlyMap<string, number> {
    const file = path.join(this.dataDir, 'run', 'processes.json');
    const list = JSON.parse(readFileSync(file, 'utf8')) as { name: string; pid: number }[];
    return new Map(list.map(({ name, pid }) => [name, pid]));
  }

  /** Sends a signal to `up` and waits for its end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | undefined> {
    const child = this.up;
    if (child === undefined) return undefined;
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill(signal);
      await ended;
    }
    this.up = undefined;
    return child.exitCode ?? undefined;
  }

  /** Stops and removes everything. */
  async dispose(): Promise<void> {
    await this.stop();
    if (this.options.directory === undefined) rmSync(this.directory, { recursive: true, force: true });
  }
}
