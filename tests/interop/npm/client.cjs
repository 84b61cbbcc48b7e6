// One operation of @opentdf/client, as published, from the command line. The client's own error goes to standard error.
//
//     node client.cjs encrypt|decrypt --in F --out F --kas URL --issuer URL --client-id ID --client-secret S [--attr FQN]...

'use strict'

// The package looks at the page that it would be part of while it loads.
globalThis.document = { documentElement: { style: {} } }

const { readFileSync, writeFileSync } = require('node:fs')
const { parseArgs } = require('node:util')
const { AuthProviders, Client } = require('@opentdf/client')

const OPTIONS = {
  in: { type: 'string' },
  out: { type: 'string' },
  kas: { type: 'string' },
  issuer: { type: 'string' },
  'client-id': { type: 'string' },
  'client-secret': { type: 'string' },
  attr: { type: 'string', multiple: true, default: [] },
}

async function encrypt(client, flags) {
  const stream = await client.encrypt({
    offline: true, // the policy travels in the file; the other way asks the KAS to store it
    scope: { attributes: flags.attr, dissem: [] },
    source: new Blob([readFileSync(flags.in)]).stream(),
  })
  return stream.toBuffer()
}

async function decrypt(client, flags) {
  const stream = await client.decrypt({ source: { type: 'buffer', location: new Uint8Array(readFileSync(flags.in)) } })
  return stream.toBuffer()
}

async function main() {
  const { values: flags, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true })
  const operation = { encrypt, decrypt }[positionals[0]]
  if (operation === undefined || positionals.length !== 1) throw new Error('usage: client.cjs encrypt|decrypt …')
  const authProvider = await AuthProviders.clientSecretAuthProvider({
    exchange: 'client',
    clientId: flags['client-id'],
    clientSecret: flags['client-secret'],
    oidcOrigin: flags.issuer,
  })
  const client = new Client.Client({ authProvider, kasEndpoint: flags.kas })
  writeFileSync(flags.out, await operation(client, flags))
}

main().catch((error) => {
  console.error(`${error.name}: ${error.message}`)
  process.exitCode = 1
})
