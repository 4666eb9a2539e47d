/**
 * Joins orders with their payments. If one of the two is missing after 15 minutes, the other comes
 * alone.
 *
 *     deno run -A cli.ts examples/join_orders.ts
 *
 * An order and its payment have the same key and fall into one session. It closes after a gap
 * without either. Each order has its own key, so the clock has one watermark for the step: the
 * orders that follow close what is incomplete.
 */
import {
  Dataflow,
  EventClockConfig,
  type Keyed,
  SessionWindowConfig,
  StdOutputConfig,
  TestingInputConfig,
} from "@millrace/millrace";

interface Order {
  readonly at: string;
  readonly goods: string;
}

interface Payment {
  readonly at: string;
  readonly amount: number;
}

const flow = new Dataflow("join-orders");

const orders = flow.input(
  "orders",
  new TestingInputConfig<Keyed<Order>>([
    ["17", { at: "2026-01-01T10:00:00Z", goods: "apples" }],
    ["18", { at: "2026-01-01T10:01:00Z", goods: "pears" }],
    ["19", { at: "2026-01-01T10:02:30Z", goods: "plums" }],
    ["20", { at: "2026-01-01T10:06:00Z", goods: "figs" }],
  ]),
);

const payments = flow.input(
  "payments",
  new TestingInputConfig<Keyed<Payment>>([
    ["19", { at: "2026-01-01T10:02:10Z", amount: 3 }], // before the order: clocks differ
    ["17", { at: "2026-01-01T10:09:00Z", amount: 4.5 }],
    ["16", { at: "2026-01-01T10:10:00Z", amount: 8 }],
    ["20", { at: "2026-01-01T10:40:00Z", amount: 6 }],
  ]),
);

// By how much values of one input may be out of order. Which input is read first does not matter.
const clock = new EventClockConfig({
  getTime: ({ at }: Order | Payment) => new Date(at),
  wait: { minutes: 1 },
  watermark: "step",
});

const joined = orders
  .joinWindow("paid", clock, new SessionWindowConfig({ gap: { minutes: 15 } }), payments);

joined
  .map(([id, [order, payment]]) => {
    if (payment === undefined) return `order ${id}: ${order?.goods}, not paid`;
    if (order === undefined) return `order ${id}: ${payment.amount} paid, for what?`;
    return `order ${id}: ${order.goods}, ${payment.amount} paid`;
  })
  .capture(new StdOutputConfig());

export default joined;
