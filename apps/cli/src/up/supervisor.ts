import { setTimeout as delay } from 'node:timers/promises';
import { type OwnProcess, readStat, writeOwnProcesses } from '@kuramori/platform';
import { safeText } from '@kuramori/contracts';
import type { ServiceReport, StatusReport } from '../status/status-report';
import { nothingRuns } from '../status/status-report';
import { formatCount, formatSeconds } from '../output/format';
import { DiskReserve } from './disk-reserve';
import { renderLine, terminalLine } from './render-line';
import { ServiceLog } from './service-log';
import { type ProcessSpec, SupervisedProcess } from './supervised-process';

/**
 * The order in which services are stopped, each after the one before has ended: first who acts and judges, so that no new action begins; then the vault, which
 * finishes the restore in hand and needs the watcher for it (announced changes); then the watcher, whose last facts wait in the stream; then the notifier,
 * so that people hear of what was done. nats-server, over which all of them speak, comes last.
 */
const stopOrder = ['responder', 'detector', 'vault', 'watcher', 'notifier'];
/** From the signal to SIGKILL for whatever still runs. */
const stopTimeoutMs = 10_000;
const killTimeoutMs = 5000;
/** One Ctrl-C may arrive several times: from the terminal, and passed on by whoever started us (npm does). Only a later one is impatience. */
const sameRequestMs = 2000;
/** nats-server writes what it holds and goes. */
const serverStopMs = 3000;
const startingPollMs = 100;
const steadyPollMs = 2000;
const registerRetryMs = 1000;
const diskPollMs = 250;
/** With less room than this a restarted nats-server would only stop again. */
const serverNeedsBytes = 2 * 1024 ** 2;
/** Publishers have waited in vain for this long; nats-server gets at least this long to recover between two restarts. */
const busStuckMs = 3000;
const serverRestartMs = 10_000;

export interface SupervisorOptions {
  readonly dataDir: string;
  readonly logDir: string;
  readonly roots: readonly string[];
  readonly services: readonly ProcessSpec[];
  /** Absent where a site's own NATS is used. */
  readonly server: ProcessSpec | undefined;
  readonly status: () => Promise<StatusReport>;
  /** For how long publishers have waited for the bus although they are connected; 0: they don't. */
  readonly busStuckMs: () => Promise<number>;
  /** Prints for people. */
  readonly say: (line: string) => void;
}

/** How it went: 0 stopped as asked; else a start failed, and nothing was left running. */
export interface SupervisorEnd {
  readonly status: number;
  /** Why a start failed. */
  readonly message?: string;
}

/** Starts the bus and the services, keeps them running, and stops them all. Runs once. */
export class Supervisor {
  private readonly logs = new Map<string, ServiceLog>();
  private readonly services: readonly SupervisedProcess[];
  private readonly server: SupervisedProcess | undefined;
  private readonly shown = new Map<string, string>();
  private readonly startedMs = performance.now();
  private end: SupervisorEnd | undefined;
  private wake: () => void = () => undefined;
  private impatient = false;
  private stopAskedMs = -Infinity;
  private registerTimer: NodeJS.Timeout | undefined;
  private announcedReady = false;
  private readonly reserve: DiskReserve;
  private diskTimer: NodeJS.Timeout | undefined;
  private freeBytes = Number.POSITIVE_INFINITY;
  private serverRestartedMs = -Infinity;

  constructor(private readonly options: SupervisorOptions) {
    const supervise = (spec: ProcessSpec) => {
      this.logs.set(spec.name, new ServiceLog(options.logDir, spec.name));
      return new SupervisedProcess(spec, {
        line: (name, text) => this.line(name, text),
        changed: () => this.register(),
        failedToStart: (failed, code) => this.failedToStart(failed, code),
        died: (dead, how, delayMs) => this.say(dead.name, `ENDED (${how}): it is started again in ${delayMs / 1000} s`),
      });
    };
    this.server = options.server === undefined ? undefined : supervise(options.server);
    this.services = options.services.map(supervise);
    this.reserve = new DiskReserve(options.dataDir, (line) => this.say('kuramori', line));
  }

  /** Resolves when everything has ended. */
  async run(): Promise<SupervisorEnd> {
    // All at once: the services wait for the bus by themselves, and a cold start takes as long as the slowest.
    this.server?.start();
    for (const service of this.services) service.start();
    this.diskTimer = setInterval(() => this.lookAtDisk(), diskPollMs);
    while (this.end === undefined) {
      await this.look();
      await this.pause(this.announcedReady ? steadyPollMs : startingPollMs);
    }
    clearInterval(this.diskTimer);
    await this.stopAll();
    clearTimeout(this.registerTimer);
    for (const log of this.logs.values()) log.close();
    return this.end;
  }

  /** Begins the shutdown; called again after {@link sameRequestMs} it does not wait any longer. */
  stop(why: string): void {
    const nowMs = performance.now();
    if (this.end !== undefined) {
      if (nowMs - this.stopAskedMs >= sameRequestMs) this.impatient = true;
      return;
    }
    this.stopAskedMs = nowMs;
    this.say('kuramori', `stopping (${why})`);
    this.finish({ status: 0 });
  }

  private finish(end: SupervisorEnd): void {
    this.end ??= end;
    this.wake();
  }

  private pause(ms: number): Promise<void> {
    if (this.end !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async look(): Promise<void> {
    const report = await this.options.status();
    if (this.end !== undefined) return;
    for (const service of this.services) {
      const health = (report.services as Readonly<Record<string, ServiceReport | undefined>>)[service.name];
      // Another process on its port, or the one before the restart, is not it.
      if (health === undefined || health.pid !== service.identity?.pid) continue;
      if (health.status === 'healthy' || health.status === 'degraded') service.markHealthy();
      this.tell(service.name, health);
    }
    // Services that speak with each other have a bus.
    if (this.services.some(({ name }) => this.shown.get(name) === 'healthy')) this.server?.markHealthy();
    if (this.server !== undefined && (await this.options.busStuckMs()) >= busStuckMs) this.restartServer('takes no messages any more');
    if (!report.ready || this.announcedReady || nothingRuns(report)) return;
    this.announcedReady = true;
    this.say(
      'kuramori',
      `protecting ${formatCount(report.protection.files)} files below ${this.options.roots.map(safeText).join(', ')} (${report.mode}, ready after ${this.elapsed()})`,
    );
  }

  private lookAtDisk(): void {
    let look;
    try {
      look = this.reserve.look();
    } catch (error) {
      // A disk that doesn't answer just now is no reason to end protection: the services say what they can't do.
      this.say('kuramori', `the disk of ${this.options.dataDir} does not answer: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    const { freeBytes, releasedFromFull } = look;
    this.freeBytes = freeBytes;
    if (releasedFromFull) {
      this.freeBytes = Number.POSITIVE_INFINITY;
      this.restartServer('has probably met the full disk');
    }
  }

  /** After a write that found no room nats-server's store never takes another one, whatever room there is (2.9.10, tried): only a restart helps. */
  private restartServer(why: string): void {
    const nowMs = performance.now();
    if (this.server === undefined || this.end !== undefined) return;
    if (this.freeBytes < serverNeedsBytes || nowMs - this.serverRestartedMs < serverRestartMs) return;
    this.serverRestartedMs = nowMs;
    this.say(this.server.name, `${why}: it is started again; messages wait meanwhile`);
    this.server.restart();
  }

  /** Says what has changed, once. */
  private tell(name: string, { status, reason }: ServiceReport): void {
    const before = this.shown.get(name);
    const key = status === 'healthy' ? status : `${status}: ${reason ?? ''}`;
    if (before === key) return;
    this.shown.set(name, key);
    // While it starts, a service waits for this and that for a moment: its first word and its health are enough.
    if (status === 'starting' && before?.startsWith('starting') === true && !this.announcedReady) return;
    if (status === 'healthy')
      this.say(name, before === undefined || before.startsWith('starting') ? `ready after ${this.elapsed()}` : 'healthy again');
    else this.say(name, `${status}${reason === undefined ? '' : `: ${safeText(reason)}`}`);
  }

  private elapsed(): string {
    const seconds = (performance.now() - this.startedMs) / 1000;
    return seconds < 60 ? `${seconds.toFixed(1)} s` : formatSeconds(seconds);
  }

  private failedToStart(failed: SupervisedProcess, code: number): void {
    const words = failed.lastLines.map((line) => renderLine(failed.name, line) ?? terminalLine(failed.name, safeText(line)));
    this.finish({
      status: code === 2 ? 2 : 1,
      message: [`${failed.name} could not be started (exit status ${code}); everything else is stopped. It said:`, ...words].join('\n'),
    });
  }

  private line(name: string, text: string): void {
    this.logs.get(name)?.write(text);
    const rendered = renderLine(name, text);
    if (rendered !== undefined) this.options.say(rendered);
  }

  private say(name: string, text: string): void {
    this.options.say(terminalLine(name, text));
    this.logs.get(name)?.write(`[up] ${new Date().toISOString()} ${text}`);
  }

  /** rules.md 3: whoever judges processes must know ours. Written at once, before a new process has done anything that could be judged. */
  private register(): void {
    clearTimeout(this.registerTimer);
    const up: OwnProcess = { name: 'up', pid: process.pid, startTime: readStat(process.pid)?.startTime ?? 0 };
    const running = [this.server, ...this.services].flatMap((supervised) => supervised?.identity ?? []);
    try {
      writeOwnProcesses(this.options.dataDir, [up, ...running]);
    } catch (error) {
      this.say(
        'kuramori',
        `the list of own processes can't be written: ${error instanceof Error ? error.message : String(error)}. Free some space in ${this.options.dataDir}; it is tried again.`,
      );
      this.registerTimer = setTimeout(() => this.register(), registerRetryMs);
    }
  }

  private async stopAll(): Promise<void> {
    const deadline = performance.now() + stopTimeoutMs;
    const order = [...this.services].sort((a, b) => stopOrder.indexOf(a.name) - stopOrder.indexOf(b.name));
    for (const service of order) {
      // The first that does not end must not take the others' time to end well: from then on they end together.
      const ended = await this.unlessImpatient(service.stop(Math.max(0, (deadline - performance.now()) / 2)));
      if (!ended) break;
    }
    const rest = await Promise.all(
      order.map(async (service) => ({ service, ended: await this.unlessImpatient(service.stop(deadline - performance.now())) })),
    );
    for (const { service, ended } of rest) {
      if (ended) continue;
      this.say(service.name, 'did not end in time and is killed; nothing is lost: it goes on from its data at the next start');
      await service.kill(killTimeoutMs);
    }
    if (this.server !== undefined && !(await this.unlessImpatient(this.server.stop(serverStopMs)))) await this.server.kill(killTimeoutMs);
    this.register();
  }

  private async unlessImpatient(ended: Promise<boolean>): Promise<boolean> {
    const asked = async () => {
      while (!this.impatient) await delay(50, undefined, { ref: false });
      return false;
    };
    return Promise.race([ended, asked()]);
  }
}
