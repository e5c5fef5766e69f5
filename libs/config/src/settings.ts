/** The settings as the services see them: complete, defaults filled in, secrets resolved. Parsed from kuramori.yaml by {@link loadSettings}. */

export type SensorChoice = 'auto' | 'fanotify' | 'windows' | 'chokidar';
export type Mode = 'enforce' | 'observe';
export type Language = 'en' | 'ja';

export interface Settings {
  /** Names this server in subjects, incidents and mails. */
  readonly host: string;
  /** Absolute. Vault, databases, bus storage, quarantine, credentials, run files. */
  readonly dataDir: string;
  readonly mode: Mode;
  readonly protect: {
    /** Absolute, existing directories, none inside another, none touching dataDir. */
    readonly roots: readonly string[];
    /** `all`, or lower-case extensions without the dot. Limits what the vault keeps, never what is judged (rules.md 18). */
    readonly extensions: 'all' | readonly string[];
    /** Glob patterns (picomatch, dot: true), relative to a root or absolute. Limits what the vault keeps, never what is judged. */
    readonly exclude: readonly string[];
    readonly sensor: SensorChoice;
    readonly guard: { readonly enabled: boolean; readonly deadlineMs: number; readonly onDeadline: 'allow' | 'deny' };
    /** Seconds between two comparisons of the roots with the catalogue. */
    readonly rescanEveryS: number;
  };
  readonly vault: {
    /** Versions kept of each file, 1–100. */
    readonly versions: number;
    /** Space on dataDir's filesystem that the vault leaves free. */
    readonly reserveFree: { readonly percent: number } | { readonly bytes: number };
  };
  readonly detection: { readonly sensitivity: 'low' | 'normal' | 'high' };
  readonly response: {
    readonly suspend: boolean;
    readonly kill: boolean;
    readonly quarantine: boolean;
    readonly restore: boolean;
    /** Programs that are judged but never acted on: exact path and, where given, the program's SHA-256 (hex). */
    readonly whitelist: readonly { readonly path: string; readonly sha256?: string; readonly reason: string }[];
  };
  readonly notify: { readonly mail: MailSettings | null };
  readonly bus: {
    /** null: `up` starts a nats-server of its own. */
    readonly url: string | null;
    /** Directory of credential files `<service>.json`, default dataDir/bus/credentials. */
    readonly credentials: string;
    /** Loopback port of the own nats-server. */
    readonly port: number;
  };
  /** Services take port+1 … port+5 (watcher, detector, vault, responder, notifier). */
  readonly http: { readonly bind: string; readonly port: number };
  readonly language: Language;
}

export interface MailSettings {
  readonly host: string;
  readonly port: number;
  /** `none`: plain; `starttls`: upgrade required; `tls`: TLS from the first byte. */
  readonly tls: 'none' | 'starttls' | 'tls';
  /** Accept a certificate that no known authority signed (an own mail server). */
  readonly allowSelfSigned: boolean;
  readonly user: string | null;
  readonly password: string | null;
  readonly from: string;
  readonly to: readonly string[];
}
