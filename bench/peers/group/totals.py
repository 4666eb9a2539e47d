"""The flow of flow.ts in Quix Streams: `totals.py STATE_DIR`. Prints when its first record came."""

import os
import sys
import time

from quixstreams import Application

started = False


def seen(order):
    global started
    if not started:
        started = True
        print(f"first {int(time.time() * 1000)}", flush=True)


def add(order, state):
    count = state.get("count", 0) + 1
    total = state.get("sum", 0.0) + order["amount"]
    state.set("count", count)
    state.set("sum", total)
    return {"user": order["user"], "count": count, "sum": total}


app = Application(
    broker_address=os.environ["PEERS_BROKER"],
    consumer_group="totals-" + os.environ["PEERS_RUN"],
    auto_offset_reset="earliest",
    commit_interval=1.0,
    processing_guarantee="exactly-once",
    state_dir=sys.argv[1],
    loglevel="WARNING",
    producer_extra_config={"linger.ms": 20, "acks": "all"},
)
source = app.topic(os.environ["PEERS_IN"], key_deserializer="bytes", value_deserializer="json")
out = app.topic(os.environ["PEERS_OUT"], key_serializer="str", value_serializer="json")
orders = app.dataframe(source)
orders = orders.update(seen)
orders = orders.group_by("user")
orders = orders.apply(add, stateful=True)
orders.to_topic(out)
app.run()
