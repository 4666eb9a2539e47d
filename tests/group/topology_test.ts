import { assertEquals } from "@std/assert";
import {
  appOfTopic,
  changelogTopic,
  controlTopic,
  shuffleTopic,
} from "../../src/group/topology.ts";

Deno.test("appOfTopic() returns the app of each topic that an app makes", () => {
  for (const app of ["p", "p.eu", "p.control", "p.count.state", "p."]) {
    const made = [shuffleTopic(app, "count"), changelogTopic(app, "count"), controlTopic(app)];
    for (const topic of made) assertEquals(appOfTopic(topic), app, topic);
  }
});

Deno.test("appOfTopic() returns null for other topics", () => {
  const others = ["p", "state", ".state", ".control", "p.state", "p.shuffle", ".count.state"];
  for (const topic of [...others, "p.count.data", "p..state", "p.count.states"]) {
    assertEquals(appOfTopic(topic), null, topic);
  }
});
