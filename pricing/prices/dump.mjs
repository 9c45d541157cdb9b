// Writes the price list of the pinned package @pydantic/genai-prices to the file
// named on the command line: its providers in the shape of the published
// data.json, with the version, its day and its licence around them.
import { readFileSync, writeFileSync } from 'node:fs'
import { waitForUpdate } from '@pydantic/genai-prices'

const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url)))
const list = read('node_modules/@pydantic/genai-prices/package.json')
const { published, dependencies } = read('package.json')
if (list.version !== dependencies[list.name]) {
  throw new Error(`version ${list.version} of ${list.name} is installed, not ${dependencies[list.name]}`)
}
const document = { version: list.version, date: published, licence: list.license, providers: await waitForUpdate() }
writeFileSync(process.argv[2], JSON.stringify(document))
