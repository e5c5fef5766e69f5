import { hostname } from 'node:os';

/** What `kuramori config init` writes: every key there is, with its default and what it means. */
export function defaultSettingsYaml(host: string = hostname()): string {
  return `# Kuramori's settings. Every key has its default here; only protect.roots must be set.
# Secrets: \${NAME} takes an environment variable, \${file:/path} the content of a file.

host: ${JSON.stringify(host)}                  # names this server in incidents and mails
dataDir: /var/lib/kuramori      # vault, databases, bus storage, quarantine; on a disk of its own if you can
mode: enforce                   # enforce | observe (judge and alert, never act)

protect:
  roots: [/srv/share]           # directories to protect, absolute, none inside another or in dataDir
  extensions: all               # all, or a list: limits what the vault keeps, never what is judged
  exclude: []                   # e.g. ["**/*.iso"]: not kept in the vault, so not restored (still judged)
  sensor: auto                  # auto | fanotify | chokidar
  guard: { enabled: true, deadlineMs: 2000, onDeadline: allow }   # copy before write while the baseline runs
  rescanEvery: 1h               # compare the disk with the vault's catalogue

vault:
  versions: 4                   # kept of each file, 1-100
  reserveFree: 10%              # of dataDir's disk, or a size such as 20GiB
  replica: null                 # not available yet

detection:
  sensitivity: normal           # low | normal | high

response:
  suspend: true                 # freeze the attacker at once
  kill: true
  quarantine: true              # take the attacker's program away, if no package owns it
  blockClient: { for: 8h }      # SMB clients: not available yet
  restore: true
  disconnectNetwork: false      # not available yet
  shutdown: false               # not available yet
  whitelist: []                 # - { path: /usr/local/bin/tool, sha256: "…", reason: nightly job }

bootSector: { guard: false }    # not available yet

notify:
  mail: null                    # { host: mail.example.com, port: 587, tls: starttls, user: kuramori, password: "\${file:/etc/kuramori/mail-password}",
                                #   from: kuramori@example.com, to: [admin@example.com], allowSelfSigned: false }
  syslog: null                  # not available yet
  webhook: []                   # not available yet

bus:
  url: null                     # null: a nats-server of our own on the loopback port below
  credentials: null             # directory of <service>.json; default dataDir/bus/credentials
  port: 4222

http: { bind: 127.0.0.1, port: 7600 }   # services take 7601-7605
language: en                    # en | ja: mails
`;
}
