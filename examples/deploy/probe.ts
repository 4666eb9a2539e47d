/**
 * A probe for containers: exits with 0 if the flow's port answers that it is well.
 *
 *     deno run -A examples/deploy/probe.ts healthz
 *
 * The check may have a query, such as `"healthz?exclude=connections"`. It asks port 8080 of this
 * machine, with the token of the variable `MILLRACE_API_TOKEN`. It prints the answer.
 */
const [check = "healthz", port = "8080"] = Deno.args;
const token = Deno.env.get("MILLRACE_API_TOKEN");
const response = await fetch(`http://127.0.0.1:${port}/${check}`, {
  headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
});
console.log((await response.text()).trim());
Deno.exit(response.ok ? 0 : 1);
