// HyperDHT's column of `cargo xtask bench poly`: all nodes in this process, measured from one of
// them. Prints one object of figures, with the names that `polykad-bench poly-ours` uses. CPU is
// that of the process, so of the whole network.

const path = require('node:path')

const options = { nodes: 100, values: 300, kept: 10000, modules: '.' }
for (let at = 2; at + 1 < process.argv.length; at += 2) {
  const name = process.argv[at].slice(2)
  options[name] = name === 'modules' ? process.argv[at + 1] : Number(process.argv[at + 1])
}
const createTestnet = require(path.join(options.modules, 'node_modules', 'hyperdht', 'testnet.js'))

const SHORT = 64
const LONG = 32 << 10
const TOO_LONG = (64 << 10) + 1
const IN_FLIGHT = 64
const REST_MS = 3000
const GIVE_UP_MS = 20000

const rest = () => new Promise((resolve) => setTimeout(resolve, REST_MS))
const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000 }

function value (number, size) {
  const bytes = Buffer.alloc(size, 120)
  bytes.writeUInt32BE(number, 0)
  return bytes
}

function inTime (promise) {
  let timer
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no end in time')), GIVE_UP_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

const put = async (node, bytes) => (await inTime(node.immutablePut(bytes))).hash

async function get (node, hash) {
  const got = await inTime(node.immutableGet(hash))
  if (!got || !got.value) throw new Error('not found')
}

// Does something with each, some at a time: results in order (undefined: failed), times, seconds.
async function all (items, atATime, act) {
  const results = []
  const times = []
  const begun = performance.now()
  let next = 0
  await Promise.all(Array.from({ length: atATime }, async () => {
    while (next < items.length) {
      const number = next++
      const start = performance.now()
      try {
        results[number] = (await act(items[number], number)) ?? true
        times.push(performance.now() - start)
      } catch {}
    }
  }))
  times.sort((a, b) => a - b)
  return { results, times, seconds: (performance.now() - begun) / 1000 }
}

const percentile = (times, percent) => times[Math.max(Math.ceil(times.length * percent / 100), 1) - 1]

async function main () {
  const { nodes } = await createTestnet(options.nodes)
  await rest()
  const asker = nodes[1]
  const told = {}
  let number = 0
  const fresh = (count, size) => Array.from({ length: count }, () => value(number++, size))

  let before = cpu()
  const puts = await all(fresh(options.values, SHORT), 1, (bytes) => put(asker, bytes))
  await rest()
  told.cpu_per_put_ms = (cpu() - before) / options.values
  told.put_ms = percentile(puts.times, 50)
  told.put_p99_ms = percentile(puts.times, 99)
  before = cpu()
  const gets = await all(puts.results.filter(Boolean), 1, (hash) => get(asker, hash))
  told.cpu_per_get_ms = (cpu() - before) / options.values
  told.get_ms = percentile(gets.times, 50)
  told.get_p99_ms = percentile(gets.times, 99)

  for (const [size, count, names] of [
    [SHORT, options.values, ['puts_per_s', 'gets_per_s']],
    [LONG, IN_FLIGHT, ['long_puts_per_s', 'long_gets_per_s']]
  ]) {
    const stored = await all(fresh(count, size), IN_FLIGHT, (bytes) => put(asker, bytes))
    const hashes = stored.results.filter(Boolean)
    told[names[0]] = stored.times.length / stored.seconds
    await rest()
    const found = await all(hashes, IN_FLIGHT, (hash) => get(asker, hash))
    told[names[1]] = hashes.length ? found.times.length / found.seconds : 0
    told[names[1] + '_failed'] = 2 * count - stored.times.length - found.times.length
  }

  const start = performance.now()
  try {
    await put(asker, value(0, TOO_LONG))
    told.too_long = 'it was taken'
  } catch (error) {
    told.too_long = error.message
  }
  told.too_long_ms = performance.now() - start

  const kept = await all(fresh(Math.min(options.kept, 200), SHORT), 8, (bytes) => put(asker, bytes))
  const hashes = kept.results.filter(Boolean)
  await rest()
  const dying = nodes.slice(0, Math.floor(options.nodes * 3 / 10))
  await Promise.all(dying.map((node) => node.destroy({ force: true })))
  const left = nodes.slice(dying.length)
  const found = await all(hashes, 8, (hash, number) => get(left[number % left.length], hash))
  told.killed_found = found.times.length
  told.killed_of = hashes.length
  told.killed_p50_ms = percentile(found.times, 50)
  told.killed_p99_ms = percentile(found.times, 99)
  process.stdout.write(JSON.stringify(told) + '\n', () => process.exit(0))
}

main().catch((error) => { console.error(error); process.exit(1) })
