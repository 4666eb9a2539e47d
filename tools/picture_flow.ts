/** The flow of the dashboard's pictures: orders are enriched, summed by customer, and counted. */
import {
  Dataflow,
  EventClockConfig,
  type Keyed,
  ManualInputConfig,
  ManualOutputConfig,
  TumblingWindowConfig,
} from "millrace";

interface Order {
  readonly customer: string;
  readonly price: number;
  readonly at: number;
}

const orders = new ManualInputConfig<string>(async function* () {
  for (let n = 0;; n++) {
    if (n % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 4));
    const price = 5 + n * 7_919 % 100;
    yield [null, JSON.stringify({ customer: `customer ${n * 31 % 500}`, price, at: Date.now() })];
  }
});

const nowhere = () => new ManualOutputConfig<unknown>(() => () => {});

const parsed = new Dataflow("orders")
  .input("orders", orders)
  .map(function parse(line): Order {
    return JSON.parse(line);
  })
  .filter(function isPaid({ price }) {
    return price > 10;
  });

const enriched = parsed
  .mapAsync(async function enrichCustomer(order: Order) {
    await new Promise((resolve) => setTimeout(resolve, 3));
    return { ...order, country: order.customer.length % 2 === 0 ? "NZ" : "PT" };
  }, { concurrency: 24 })
  .map(function byCustomer(order): Keyed<Order> {
    return [order.customer, order];
  });

enriched
  .statefulMap("customer-total", () => 0, (total, { price }) => [total + price, total + price])
  .capture("totals", nowhere());

export default enriched
  .reduceWindow(
    "revenue-per-5-seconds",
    new EventClockConfig({ getTime: ({ at }) => at, wait: { seconds: 2 } }),
    new TumblingWindowConfig({ length: { seconds: 5 } }),
    (a, b) => ({ ...b, price: a.price + b.price }),
  )
  .capture("revenue", nowhere());
