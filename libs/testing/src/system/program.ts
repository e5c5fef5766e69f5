import { spawn } from 'node:child_process';

export interface RunningProgram {
  readonly pid: number;
  /** Milliseconds since the epoch when it was started. */
  readonly startedAtMs: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly endedAtMs: number }>;
  isRunning(): boolean;
  /** Ends the program's whole session: for clean-up when a test fails. */
  end(): void;
}

export interface LaunchOptions {
  readonly uid?: number;
  readonly gid?: number;
  /** Beside the environment of the test. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a program in a session of its own, as a login or a job would have it, optionally as another user. */
export function launch(command: string, args: readonly string[], { env, ...user }: LaunchOptions = {}): RunningProgram {
  const child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, ...user });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} could not be started`);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString('utf8')).slice(-20_000)));
  let running = true;
  const ended = new Promise<Awaited<RunningProgram['ended']>>((resolve) => {
    child.once('exit', (code, signal) => {
      running = false;
      resolve({ code, signal, endedAtMs: Date.now() });
    });
  });
  return {
    pid,
    startedAtMs: Date.now(),
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    isRunning: () => running,
    end: () => {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // The whole session has ended already: that is what was wanted.
      }
    },
  };
}
