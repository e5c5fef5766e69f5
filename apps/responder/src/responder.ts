import type { Bus } from '@kuramori/bus';
import type { Settings } from '@kuramori/config';
import { isSameHost, parseMessage, Verdict, type VerdictLevel } from '@kuramori/contracts';
import type { LiveProcess, OwnProcess, PackageRegistry, ProcessControl } from '@kuramori/platform';
import { defaultStepTimes, type StepTimes } from './domain/next-step';
import { CaseWorker } from './response/case-worker';
import { ContainmentRunner } from './response/containment-runner';
import { OperatorCommands } from './response/operator-commands';
import { ownPaths, ProgramQuarantine } from './response/program-quarantine';
import { Services } from './response/services';
import { SuspicionPinner } from './response/suspicion-pinner';
import { VerdictHandler } from './response/verdict-handler';
import { Whitelist } from './response/whitelist';
import { openIncidents } from './store/database';
import { EventPublisher } from './store/event-publisher';
import { IncidentStore } from './store/incident-store';

export interface ResponderOptions {
  readonly settings: Settings;
  readonly bus: Pick<Bus, 'publish' | 'request'>;
  readonly control: ProcessControl;
  readonly packages: PackageRegistry;
  /** Kuramori's own processes as registered by `up`. */
  readonly own: () => readonly OwnProcess[];
  readonly databaseFile: string;
  readonly times?: StepTimes;
  readonly now?: () => number;
  /** Told of each event once it is published. */
  readonly log?: (line: string) => void;
}

/** The whole responder without its transport: verdicts go in, processes are stopped, files restored, incident events come out. */
export class Responder {
  readonly commands: OperatorCommands;
  private readonly counts = { suspicion: 0, warning: 0, attack: 0 };
  private lastHandleMs = 0;

  private constructor(
    private readonly store: IncidentStore,
    private readonly publisher: EventPublisher,
    private readonly worker: CaseWorker,
    private readonly handler: VerdictHandler,
    private readonly pinner: SuspicionPinner,
    private readonly host: string,
    services: Services,
    now: () => number,
  ) {
    this.commands = new OperatorCommands({
      store,
      services,
      changed: (id) => this.changed(id),
      falseAlarm: (attackId, falseAlarm) => handler.setFalseAlarm(attackId, falseAlarm),
      idle: (id, timeoutMs) => worker.idle(id, timeoutMs),
      now,
    });
  }

  /** Opens the database and goes on with every incident that an earlier run left unfinished. @throws DatabaseError */
  static async start(options: ResponderOptions): Promise<Responder> {
    const { settings, bus, control } = options;
    const now = options.now ?? Date.now;
    const store = new IncidentStore(await openIncidents(options.databaseFile), now);
    const services = new Services(bus, settings.host);
    const publisher = new EventPublisher(store, bus, options.log);
    const protectionBeganMs = Number(await store.keepFirst('protectionBeganMs', String(now())));
    const programs = new ProgramQuarantine(options.packages, services, {
      allowed: settings.response.quarantine,
      protectionBeganMs,
      ownPaths: await ownPaths(process.execPath, process.argv[1], settings.dataDir),
    });
    const worker = new CaseWorker(
      { store, services, programs, control, written: () => publisher.wake(), now },
      settings.response,
      options.times ?? defaultStepTimes,
    );
    const pinner = new SuspicionPinner(services);
    // Remembered from the start: when `up` dies, this process hangs below pid 1 and nothing would show any more what started it.
    const aroundUs = startedBy(await control.list());
    const own = (): readonly OwnProcess[] => [...options.own(), ...aroundUs];
    const handler: VerdictHandler = new VerdictHandler(
      {
        store,
        runner: new ContainmentRunner(control, own, new Whitelist(settings.response.whitelist), settings.response),
        changed: (id) => {
          publisher.wake();
          worker.wake(id);
        },
        pin: (verdict) => pinner.pin(verdict),
        bootId8: control.bootId8,
        now,
      },
      settings.mode,
      settings.response,
    );
    const { verdictIds, falseAlarmAttacks } = await store.remembered();
    handler.remember(verdictIds, falseAlarmAttacks);
    const responder = new Responder(store, publisher, worker, handler, pinner, settings.host, services, now);
    publisher.wake();
    for (const id of await store.activeIds()) worker.wake(id);
    return responder;
  }

  /** One message of the verdict stream; those about other servers on the same bus are theirs. @throws InvalidMessageError for one that can never be handled; anything else is to be delivered again */
  async onVerdict(body: unknown): Promise<void> {
    const verdict = parseMessage(Verdict, body);
    // A pid of another server means somebody else here.
    if (!isSameHost(verdict.host, this.host)) return;
    this.counts[verdict.level] += 1;
    const startedMs = performance.now();
    await this.handler.handle(verdict);
    if (verdict.level === 'attack') this.lastHandleMs = performance.now() - startedMs;
  }

  /** What keeps it from doing its work, for people; empty when all is well. */
  problems(): string[] {
    return [this.handler.failure, this.publisher.failure, ...this.worker.problems()].filter((problem) => problem !== undefined);
  }

  /** Incidents that are not closed. */
  async countOpen(): Promise<number> {
    return this.store.countOpen();
  }

  /** Taken since the start. */
  verdictCounts(): Readonly<Record<VerdictLevel, number>> {
    return { ...this.counts };
  }

  /** From the arrival of the last attack verdict to its end in the database, milliseconds. */
  lastAttackMs(): number {
    return this.lastHandleMs;
  }

  /** Finishes the writes in hand and closes the database; what is unfinished is gone on with at the next start. May be called twice. */
  async stop(): Promise<void> {
    await Promise.all([this.worker.stop(), this.publisher.stop(), this.pinner.stop()]);
    await this.store.close();
  }

  private changed(incidentId: string): void {
    this.publisher.wake();
    this.worker.wake(incidentId);
  }
}

/** This process and its parents up to the first of the system. */
function startedBy(table: readonly LiveProcess[]): OwnProcess[] {
  const line: OwnProcess[] = [];
  for (let current = table.find(({ pid }) => pid === process.pid); current !== undefined && line.length < 64;) {
    line.push({ name: line.length === 0 ? 'responder' : 'what started it', pid: current.pid, startTime: current.startTime });
    const { parentPid } = current;
    current = table.find(({ pid }) => pid === parentPid);
  }
  return line;
}
