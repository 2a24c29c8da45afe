// One agent or aggregator of a round: starts it, lets happen to it what is planned, starts the next; counts what really
// happened, by what the processes noted and how they ended.
import { setTimeout as delay } from 'node:timers/promises';
import type { PlannedLife } from './fault-plan.ts';
import type { Arming, Instant, Life } from './parts.ts';
import { type Action, isDraining, type Point } from './points.ts';

/** A process does not reach its point: it is killed then, and the point comes again. */
const PATIENCE_MS = 5000;
/** How often it is looked whether a process has stopped itself. */
const NOTICE_MS = 50;
/** A point that was missed so often is given up; the figures show it. */
const MISSES_MAX = 20;

/** A process that the store did not let begin, or end well, says so. Upkeep goes on with its other steps, and says which it was. */
const REFUSED_BY_STORE = /^flowtoll: (?:STORE_UNAVAILABLE: |UPKEEP_INCOMPLETE: .* \(cannot \w+ s3:\/\/)/;

/** What happened to the processes of a round. */
export interface ProcessFigures {
  /** Deaths at points. */
  readonly died: Map<Point, number>;
  /** Kills at any other instant. */
  kills: number;
  /** Stopped at points, and continued alive. */
  readonly stopped: Map<Point, number>;
  /** Stopped at any other instant, and continued alive. */
  pauses: number;
  /** Ended as they should after SIGTERM, or of themselves where that is their way, before the point was reached. */
  orderlyEnds: number;
  /** Ended with an error because of a store in trouble: they could not start, or not put away what they held. */
  refusals: number;
}

/** Where processes of one kind get their lives from. */
export interface LifeSource {
  next(): PlannedLife | undefined;
  /** A life did not reach its point. */
  missed(point: Point): void;
}

/** The lives that are planned for processes of one kind: whichever is free takes the next. */
export class LifeQueue implements LifeSource {
  readonly #planned: PlannedLife[];
  readonly #misses = new Map<Point, number>();
  readonly #half = Promise.withResolvers<void>();
  #left: number;

  constructor(planned: readonly PlannedLife[]) {
    this.#planned = [...planned];
    this.#left = Math.ceil(planned.length / 2);
  }

  next(): PlannedLife | undefined {
    if (--this.#left <= 0) this.#half.resolve();
    return this.#planned.shift();
  }

  /** Resolves when half of them have begun. */
  half(): Promise<void> {
    return this.#half.promise;
  }

  /** Another one shall reach it. */
  missed(point: Point): void {
    const misses = (this.#misses.get(point) ?? 0) + 1;
    this.#misses.set(point, misses);
    if (misses <= MISSES_MAX) this.#planned.push({ end: { point, hit: 1 } });
  }
}

/** A series of lives under one name. */
export class Lives {
  readonly name: string;
  /** Lives begun. */
  starts = 0;
  /** Log lines of level warn and above, of all lives. */
  readonly complaints: string[] = [];
  readonly #start: (arming: Arming) => Life;
  readonly #noted: (pid: number, action: Action) => Point | undefined;
  readonly #figures: ProcessFigures;
  readonly #mayEnd: { readonly well: boolean; readonly refused: boolean };
  readonly #isSlow: boolean;
  readonly #patienceMs: number;
  readonly #besides: () => readonly Instant[];

  constructor(
    name: string,
    parts: {
      readonly start: (arming: Arming) => Life;
      /** The point at which a process noted that it dies or stops. */
      readonly noted: (pid: number, action: Action) => Point | undefined;
      readonly figures: ProcessFigures;
      /** Ends that nobody asked for and that are no fault: it has done its work; the store did not let it. */
      readonly mayEnd?: { readonly well: boolean; readonly refused: boolean };
      /** Its beginning takes long: a time after which it is killed counts from when it is ready. Default: from its start. */
      readonly isSlow?: boolean;
      /** How long it may take to its point. Default: 5 s. */
      readonly patienceMs?: number;
      /** Where it may die besides, asked anew for each life. */
      readonly besides?: () => readonly Instant[];
    },
  ) {
    this.name = name;
    this.#isSlow = parts.isSlow ?? false;
    this.#patienceMs = parts.patienceMs ?? PATIENCE_MS;
    this.#besides = parts.besides ?? (() => []);
    this.#mayEnd = parts.mayEnd ?? { well: false, refused: false };
    this.#start = parts.start;
    this.#noted = parts.noted;
    this.#figures = parts.figures;
  }

  /**
   * Lives what is planned; resolves with a last life, of which nothing is planned, when it has begun. Rejects when one
   * ends otherwise than planned.
   */
  async live(source: LifeSource): Promise<Life> {
    await this.liveOut(source);
    return this.#beginUnrefused();
  }

  /** The same with a rest after each life, and nothing comes after it. */
  async liveOut(source: LifeSource, restMs = 0): Promise<void> {
    for (let planned = source.next(); planned !== undefined; planned = source.next()) {
      const { end } = planned;
      const died = await this.#liveOnce(planned);
      if ('point' in end && died !== end.point) source.missed(end.point);
      if (restMs > 0) await delay(restMs);
    }
  }

  async #beginUnrefused(): Promise<Life> {
    for (;;) {
      const life = this.begin();
      if (!this.#mayEnd.refused) return life;
      try {
        await life.ready();
        return life;
      } catch (error) {
        const { code } = await life.ended;
        if (!this.#isRefused(life, code)) throw error;
        this.#figures.refusals++;
      }
    }
  }

  #isRefused({ lastWords }: Life, code: number | null): boolean {
    return this.#mayEnd.refused && code === 1 && lastWords.some((line) => REFUSED_BY_STORE.test(line));
  }

  /** Starts it without any point; the caller ends it. */
  begin(): Life {
    this.starts++;
    const life = this.#start({});
    void life.ended.then(() => this.complaints.push(...life.complaints));
    return life;
  }

  /** Ends a life that `begin` began. Rejects when it does not end well. */
  async end(life: Life): Promise<void> {
    life.signal('SIGTERM');
    const { code, signal } = await life.ended;
    if (code !== 0) throw new Error(`${this.name} ended with ${signal ?? code} when it was told to stop`);
  }

  async #liveOnce(planned: PlannedLife): Promise<Point | undefined> {
    const { pause, end, besides = this.#besides() } = planned;
    this.starts++;
    const arming = 'point' in end ? end : undefined;
    const life = this.#start({
      die: arming === undefined ? besides : [arming, ...besides],
      stop: pause && 'at' in pause ? [pause.at] : [],
    });
    const over = new AbortController();
    const { signal: aborted } = over;
    const wait = (ms: number): Promise<boolean> => delay(ms, true, { signal: aborted, ref: false }).catch(() => false);
    const stop = { asked: false };
    const pausing = pause && this.#pause(life, pause, wait);
    const stopping = arming && isDraining(arming.point) && this.#askToStop(life, arming.stopAfterMs ?? 0, stop, wait);
    const killing = this.#kill(life, planned, pausing, wait);
    const { code, signal } = await life.ended;
    over.abort();
    await Promise.all([pausing, stopping]);
    const wasKilled = await killing;
    this.complaints.push(...life.complaints);

    const died = this.#noted(life.pid, 'die');
    if (died !== undefined) this.#figures.died.set(died, (this.#figures.died.get(died) ?? 0) + 1);
    else if ((stop.asked || this.#mayEnd.well) && code === 0) this.#figures.orderlyEnds++;
    else if (wasKilled && signal === 'SIGKILL') this.#figures.kills++;
    else if (this.#isRefused(life, code)) this.#figures.refusals++;
    else {
      const words = [...life.complaints, ...life.lastWords].join('\n');
      throw new Error(`${this.name} ended by itself with ${signal ?? code}: ${words}`);
    }
    return died;
  }

  /** Kills it when it is time, or does not reach its point; whether it did. */
  async #kill(
    life: Life,
    { pause, end }: PlannedLife,
    pausing: Promise<void> | undefined,
    wait: (ms: number) => Promise<boolean>,
  ): Promise<boolean> {
    const patienceMs = this.#patienceMs + (pause?.forMs ?? 0);
    let isTime: boolean;
    // One that ends before it is ready needs nobody to kill it; one that never gets there is an error.
    if (this.#isSlow) await life.ready().catch(() => undefined);
    if ('point' in end) isTime = await wait(patienceMs);
    else {
      if (pause && 'at' in pause) await Promise.race([pausing, wait(patienceMs)]);
      isTime = await wait(end.killAfterMs);
    }
    if (isTime) life.signal('SIGKILL');
    return isTime;
  }

  async #pause(
    life: Life,
    pause: NonNullable<PlannedLife['pause']>,
    wait: (ms: number) => Promise<boolean>,
  ): Promise<void> {
    let point: Point | undefined;
    if ('at' in pause) {
      while (point === undefined) {
        if (!(await wait(NOTICE_MS))) return;
        point = this.#noted(life.pid, 'stop');
      }
    } else {
      if (!(await wait(pause.afterMs))) return;
      life.signal('SIGSTOP');
    }
    if (!(await wait(pause.forMs))) return;
    life.signal('SIGCONT');
    if (point === undefined) this.#figures.pauses++;
    else this.#figures.stopped.set(point, (this.#figures.stopped.get(point) ?? 0) + 1);
  }

  async #askToStop(
    life: Life,
    afterMs: number,
    stop: { asked: boolean },
    wait: (ms: number) => Promise<boolean>,
  ): Promise<void> {
    const isBusy = await life.busy().then(
      () => true,
      () => false, // it died before
    );
    if (!isBusy || !(await wait(afterMs))) return;
    stop.asked = true;
    life.signal('SIGTERM');
  }
}
