// Writes random calls and what calcPrice of @pydantic/genai-prices charges for
// them, a line of JSON each: node cases.mjs COUNT SEED. Every model is drawn as
// often as another; names, dates, hours and numbers of tokens are drawn near the
// places where the price changes as well as anywhere.
import { calcPrice, waitForUpdate } from '@pydantic/genai-prices'

const [count, seed] = process.argv.slice(2).map(Number)

// mulberry32: small, seeded, good enough to draw cases.
let state = seed >>> 0
function random() {
  state = (state + 0x6d2b79f5) >>> 0
  let t = state
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296
}
const below = (n) => Math.floor(random() * n)
const pick = (list) => list[below(list.length)]

const providers = await waitForUpdate()
const entries = providers.flatMap((provider) => provider.models.map((model) => ({ provider, model })))
const conditions = (model) => (Array.isArray(model.prices) ? model.prices : [{ prices: model.prices }])

function texts(match) {
  const parts = match.or ?? match.and
  return parts ? parts.flatMap(texts) : [Object.values(match)[0]]
}

// A name that means something at the provider: the id, what its rules compare with,
// or such a name with a date behind it or in capitals.
// Providers that fall back to the lists of others are asked for the models of those too.
function name({ provider, model }) {
  const others = providers.filter((p) => provider.fallback_model_providers?.includes(p.id))
  if (others.length && random() < 0.5) model = pick(pick(others).models)
  const known = [model.id, ...texts(model.match)]
  const drawn = [pick(known), pick(known) + pick(['-20250514', '-2025-05-14', '-20251301', '-v9']), pick(known).toUpperCase()]
  const names = [drawn[below(6)] ?? model.id, ...known]
  return names.find((n) => calcPrice({}, n, { providerId: provider.id })) ?? provider.models[0].id
}

function instant(model) {
  const edges = conditions(model).flatMap(({ constraint: c }) => {
    if (!c) return []
    if (c.start_date) return [Date.parse(c.start_date)]
    const day = Date.UTC(2025 + below(2), below(12), 1 + below(28))
    return [c.start_time, c.end_time].map((t) => day + Date.parse(`1970-01-01T${t}`))
  })
  if (edges.length && random() < 0.7) return pick(edges) + pick([-3600000, -1, 0, 1, 1000, 3600000])
  return Date.UTC(2024, 0, 1) + below(3.4 * 365 * 86400) * 1000
}

function tokens(model) {
  const starts = conditions(model).flatMap(({ prices }) => Object.values(prices).flatMap((p) => p.tiers?.map((t) => t.start) ?? []))
  if (starts.length && random() < 0.6) return pick(starts) + pick([-1, 0, 1, 5000])
  return below(pick([2, 100, 10000, 300000, 2000000]))
}

// The disjoint classes of a call, as Halfpenny counts them. The input adds up to
// what was drawn, so that it meets the bounds of the context bands.
function call(model) {
  const usage = { input: tokens(model) }
  const part = (from, to) => {
    if (random() < 0.35) {
      usage[to] = below(usage[from] + 1)
      usage[from] -= usage[to]
    }
  }
  for (const to of ['cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'audioIn', 'audioCached', 'imageIn', 'imageCached', 'video']) part('input', to)
  usage.output = below(pick([2, 100, 10000, 200000]))
  for (const to of ['reasoning', 'audioOut', 'imageOut', 'videoOut', 'citations']) part('output', to)
  usage.fees = {}
  const fees = ['web_search', 'storage_search', 'social_search', 'code_execution', 'search_unit', 'text_message', 'document_page', 'annotated_page']
  for (const fee of [...fees, pick(['audio_second', 'input_audio_second'])]) if (random() < 0.3) usage.fees[fee] = below(5000)
  return usage
}

// The same as calcPrice wants it: wholes that include their parts.
function theirs(u) {
  const of = (...names) => names.reduce((sum, n) => sum + (u[n] ?? 0), 0)
  const fee = (...names) => names.reduce((sum, n) => sum + (u.fees[n] ?? 0), 0)
  return {
    input_tokens: of('input', 'cacheRead', 'cacheWrite5m', 'cacheWrite1h', 'audioIn', 'audioCached', 'imageIn', 'imageCached', 'video'),
    cache_read_tokens: of('cacheRead', 'audioCached', 'imageCached'),
    cache_write_tokens: of('cacheWrite5m', 'cacheWrite1h'),
    cache_write_5m_tokens: of('cacheWrite5m'),
    cache_write_1h_tokens: of('cacheWrite1h'),
    input_audio_tokens: of('audioIn', 'audioCached'),
    cache_audio_read_tokens: of('audioCached'),
    input_image_tokens: of('imageIn', 'imageCached'),
    cache_image_read_tokens: of('imageCached'),
    input_video_tokens: of('video'),
    output_tokens: of('output', 'reasoning', 'audioOut', 'imageOut', 'videoOut', 'citations'),
    output_reasoning_tokens: of('reasoning'),
    output_audio_tokens: of('audioOut'),
    output_image_tokens: of('imageOut'),
    output_video_tokens: of('videoOut'),
    output_citation_tokens: of('citations'),
    web_searches: fee('web_search'),
    storage_searches: fee('storage_search'),
    social_searches: fee('social_search'),
    code_executions: fee('code_execution'),
    rerank_searches: fee('search_unit'),
    input_text_messages: fee('text_message'),
    input_document_pages: fee('document_page', 'annotated_page'),
    input_annotated_document_pages: fee('annotated_page'),
    audio_seconds: fee('audio_second', 'input_audio_second'),
    input_audio_seconds: fee('input_audio_second'),
  }
}

// A price with more than 9 decimals per million tokens is no whole number of
// femto-dollars a token.
const inexact = (prices) =>
  Object.entries(prices).some(([key, p]) => key.endsWith('_mtok') && [p.base ?? p, ...(p.tiers ?? []).map((t) => t.price)].some((n) => Math.abs(n * 1e9 - Math.round(n * 1e9)) > 1e-4))

const lines = []
for (let i = 0; i < count; i++) {
  const entry = i < entries.length ? entries[i] : pick(entries)
  const model = name(entry)
  const usage = call(entry.model)
  const at = new Date(instant(entry.model))
  const price = calcPrice(theirs(usage), model, { providerId: entry.provider.id, timestamp: at })
  lines.push(JSON.stringify({
    provider: entry.provider.id, model, at: at.toISOString(), usage, entry: price.model.id,
    priced: Object.keys(price.model_price).length > 0, inexact: inexact(price.model_price), total: price.total_price,
  }))
}
process.stdout.write(lines.join('\n') + '\n')
