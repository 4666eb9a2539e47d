"""Runs librdkafka's mock cluster with three brokers until it is killed, and prints where they listen."""

import signal

from confluent_kafka import Producer

# The cluster belongs to a client, which has no other use here.
client = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 3, "log_level": 0})
brokers = client.list_topics(timeout=10).brokers.values()
print("listening " + ",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
signal.pause()
