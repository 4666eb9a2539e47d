/** A file that never finishes loading. */
console.log(`pid ${Deno.pid}`);
await new Promise(() => {});
