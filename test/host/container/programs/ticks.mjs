// Timers, promises and memory of a Node program.
const kept = Buffer.alloc(8 << 20, 7);
let count = 0;
setInterval(() => {
  count += 1;
  console.log(`tick ${count} ${kept[count]}`);
}, 50);
