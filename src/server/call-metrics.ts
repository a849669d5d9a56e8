import type { Registry } from "prom-client";

/** Upper bounds of the buckets, in seconds. */
const bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1, 5];

interface Series {
  rpc: string;
  server: string;
  reasons: Map<string, number>;
  /** One for each bound, and one for what is over all. */
  buckets: number[];
  sum: number;
}

/**
 * Counts calls and their times, in plain numbers that are made metrics of when somebody asks: a call
 * costs an addition, where prom-client's own histogram looks its labels up each time.
 */
export class CallMetrics {
  readonly #series = new Map<string, Map<string, Series>>();

  constructor(registry: Registry) {
    registry.registerMetric(
      this.#metric("pdaas_calls_total", "counter", callsHelp, counted) as never,
    );
    registry.registerMetric(
      this.#metric("pdaas_call_seconds", "histogram", secondsHelp, timed) as never,
    );
  }

  /** @param reason `OK` where the call was carried out */
  ended(server: string, rpc: string, reason: string, seconds: number): void {
    const series = this.#seriesOf(server, rpc);
    series.reasons.set(reason, (series.reasons.get(reason) ?? 0) + 1);
    series.sum += seconds;
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket++;
    series.buckets[bucket] = (series.buckets[bucket] as number) + 1;
  }

  #seriesOf(server: string, rpc: string): Series {
    let ofServer = this.#series.get(server);
    if (ofServer === undefined) {
      ofServer = new Map();
      this.#series.set(server, ofServer);
    }
    let series = ofServer.get(rpc);
    if (series === undefined) {
      series = {
        rpc,
        server,
        reasons: new Map(),
        buckets: Array(bounds.length + 1).fill(0),
        sum: 0,
      };
      ofServer.set(rpc, series);
    }
    return series;
  }

  #metric(name: string, type: string, help: string, values: (name: string, s: Series) => Value[]) {
    const all = () => [...this.#series.values()].flatMap((ofServer) => [...ofServer.values()]);
    return {
      name,
      get: async () => ({
        name,
        help,
        type,
        aggregator: "sum",
        values: all().flatMap((series) => values(name, series)),
      }),
      reset: () => this.#series.clear(),
    };
  }
}

const callsHelp = "Calls that ended, by RPC, server and reason (OK where they were carried out).";
const secondsHelp = "Time from the head of a request to its answer, or to the end of its stream.";

interface Value {
  metricName?: string;
  labels: Record<string, string | number>;
  value: number;
}

function counted(_name: string, { rpc, server, reasons }: Series): Value[] {
  return [...reasons].map(([reason, value]) => ({ labels: { rpc, server, reason }, value }));
}

function timed(name: string, { rpc, server, buckets, sum }: Series): Value[] {
  let count = 0;
  const cumulative = buckets.map((inBucket, i) => {
    count += inBucket;
    const labels = { le: bounds[i] ?? "+Inf", rpc, server };
    return { metricName: `${name}_bucket`, labels, value: count };
  });
  const labels = { rpc, server };
  return [
    ...cumulative,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
