/** Which file is the program of an attacking process: its executable, or the script that an interpreter runs. Pure. */
import path from 'node:path/posix';
import type { LiveProcess } from '@kuramori/platform';
import { isInterpreter } from './protected-programs';

export interface ProgramCandidate {
  readonly path: string;
  /** `interpreter` files are named, never taken, whoever owns them. */
  readonly role: 'executable' | 'script' | 'interpreter';
  /** For people: how the process was started; at most 300 characters. */
  readonly runBy: string;
}

/** Options whose value is the next argument, by interpreter; what follows `-c`, `-e` and `-m` is the program itself, without a file. */
const valueOptions: readonly { readonly interpreter: RegExp; readonly takesValue: ReadonlySet<string>; readonly inline: RegExp }[] = [
  {
    interpreter: /^(?:ba|da|z|k|mk|a|tc|c|fi)?sh$|^busybox$/u,
    takesValue: new Set(['-o', '+o', '-O', '+O', '--rcfile', '--init-file']),
    inline: /^-[a-zA-Z]*c$/u,
  },
  { interpreter: /^(?:python|pypy)/u, takesValue: new Set(['-W', '-X', '--check-hash-based-pycs']), inline: /^-[a-zA-Z]*[cm]$/u },
  {
    interpreter: /^(?:node|nodejs|bun|deno)$/u,
    takesValue: new Set(['-r', '--require', '--import', '--loader', '-C', '--conditions']),
    inline: /^(?:-e|-p|-pe|--eval|--print)$/u,
  },
  { interpreter: /^perl/u, takesValue: new Set(['-I', '-M']), inline: /^-[a-zA-Z]*[eE]$/u },
  {
    interpreter: /^(?:ruby|lua|php|tclsh|pwsh|java|mono)/u,
    takesValue: new Set(['-I', '-r', '-cp', '-classpath']),
    inline: /^(?:-e|-r|-Command|-c)$/u,
  },
];

/** The script among an interpreter's arguments, as it was written there; undefined for inline programs and interactive use. */
export function scriptArgument(interpreterName: string, commandLine: readonly string[]): string | undefined {
  const rules = valueOptions.find(({ interpreter }) => interpreter.test(interpreterName));
  // `busybox sh script`: the applet's name stands before its arguments when busybox was called by its own name.
  const from = interpreterName === 'busybox' && path.basename(commandLine[0] ?? '') === 'busybox' ? 2 : 1;
  for (let at = from; at < commandLine.length; at += 1) {
    const argument = commandLine[at] ?? '';
    if (rules?.inline.test(argument) === true) return undefined;
    if (rules?.takesValue.has(argument) === true) at += 1;
    else if (argument === '-' || argument === '-s') return undefined;
    else if (argument === '-jar') continue;
    else if (!argument.startsWith('-') && !argument.startsWith('+')) return argument;
  }
  return undefined;
}

/** Candidates of one process, executable first. A relative script whose directory is not known is left out. */
export function programsOf(process: LiveProcess): ProgramCandidate[] {
  const runBy = process.commandLine.join(' ').slice(0, 300);
  const interpreter = isInterpreter(process);
  const candidates: ProgramCandidate[] = process.exe === '' ? [] : [{ path: process.exe, role: interpreter ? 'interpreter' : 'executable', runBy }];
  if (interpreter) {
    const script = scriptArgument(path.basename(process.exe), process.commandLine);
    if (script !== undefined && (script.startsWith('/') || process.cwd !== undefined)) {
      candidates.push({ path: path.resolve(process.cwd ?? '/', script), role: 'script', runBy });
    }
  }
  return candidates;
}

/** Candidates of all attackers, each file once, at most 32: an attack with more programs than that is named by its first. */
export function programCandidates(attackers: readonly LiveProcess[]): ProgramCandidate[] {
  const byPath = new Map<string, ProgramCandidate>();
  for (const candidate of attackers.flatMap(programsOf)) {
    if (!byPath.has(candidate.path) && byPath.size < 32) byPath.set(candidate.path, candidate);
  }
  return [...byPath.values()];
}
