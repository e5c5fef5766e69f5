/** Programs that are never stopped because of what runs below them (rules.md 5; issue 2, item 8), and how they are recognised. */
import type { LiveProcess } from '@kuramori/platform';

/** Directories that only root fills. A name on the list below protects only from here: `/tmp/smbd` is just a file that somebody called so. */
const systemDirectories = ['/usr/', '/bin/', '/sbin/', '/lib/', '/lib64/', '/opt/', '/snap/', '/nix/'];

const remoteLogin = 'the remote login service';
const loginOrTerminal = 'a login or terminal';

const reasons: readonly { readonly why: string; readonly names: readonly string[] }[] = [
  {
    why: 'a service manager',
    names: [
      'systemd',
      'init',
      'runit',
      'runsvdir',
      'runsv',
      's6-svscan',
      's6-supervise',
      'supervisord',
      'openrc-run',
      'supervise-daemon',
      'dinit',
      'monit',
      'tini',
      'dumb-init',
      'catatonit',
    ],
  },
  {
    why: remoteLogin,
    names: ['sshd', 'sshd-session', 'sshd-auth', 'dropbear', 'telnetd', 'in.telnetd', 'mosh-server', 'xrdp', 'xrdp-sesman'],
  },
  { why: 'a job scheduler', names: ['cron', 'crond', 'anacron', 'atd', 'fcron', 'bcron-sched', 'slurmd', 'slurmstepd'] },
  {
    why: loginOrTerminal,
    names: [
      'login',
      'agetty',
      'getty',
      'mingetty',
      'tmux',
      'screen',
      'zellij',
      'dtach',
      'abduco',
      'xterm',
      'konsole',
      'gnome-terminal-server',
      'kitty',
      'alacritty',
      'gdm-session-worker',
      'sddm-helper',
      'gnome-shell',
      'plasmashell',
      'Xorg',
      'Xwayland',
    ],
  },
  {
    why: 'a container runtime',
    names: [
      'dockerd',
      'containerd',
      'containerd-shim',
      'containerd-shim-runc-v2',
      'docker-init',
      'runc',
      'crun',
      'conmon',
      'podman',
      'crio',
      'kubelet',
      'buildkitd',
      'lxc-start',
      'lxc-monitord',
      'systemd-nspawn',
      'qemu-system-x86_64',
      'libvirtd',
    ],
  },
  {
    why: 'a file-serving daemon: its client is the actor',
    names: [
      ...[
        'smbd',
        'nmbd',
        'samba',
        'ksmbd.mountd',
        'nfsd',
        'rpc.nfsd',
        'rpc.mountd',
        'ganesha.nfsd',
        'sftp-server',
        'rsyncd',
        'vsftpd',
        'proftpd',
        'pure-ftpd',
        'afpd',
        'netatalk',
      ],
      ...['glusterfsd', 'ceph-osd', 'minio', 'nginx', 'apache2', 'httpd', 'lighttpd', 'caddy', 'php-fpm', 'dovecot', 'imap', 'lmtp'],
    ],
  },
  {
    why: 'a database: its client is the actor',
    names: [
      'mysqld',
      'mariadbd',
      'postgres',
      'postmaster',
      'mongod',
      'redis-server',
      'valkey-server',
      'sqlservr',
      'oracle',
      'influxd',
      'clickhouse-server',
      'slapd',
      'etcd',
      'beam.smp',
      'firebird',
      'db2sysc',
    ],
  },
];
const reasonByName = new Map(reasons.flatMap(({ why, names }) => names.map((name) => [name, why] as const)));

/**
 * Whether a program is what its path says: otherwise it may be called whatever its owner likes, also by a directory mounted over /usr/sbin in a mount namespace
 * of his own. What can't be proven is treated like any program; one in a container can be put on the whitelist by its hash.
 */
function isSystemProgram({ exe, exeFile }: LiveProcess): boolean {
  return exeFile === 'root-only' && systemDirectories.some((directory) => exe.startsWith(directory));
}

/** A shell at whose prompt a person may sit: not stopped for what was started from it; a loop typed there is broken off. */
export function isInteractiveShell(process: LiveProcess): boolean {
  return process.interactiveShell && isSystemProgram(process);
}

/** By these a person becomes somebody else at the same terminal. */
const userSwitchers = new Set(['su', 'sudo', 'sudo-rs', 'doas', 'runuser']);

/** Whether a person logged in to this shell: `ancestors` (nearest first) lead over shells and changes of user to a login or a terminal. */
export function isLoginShell(shell: LiveProcess, ancestors: readonly LiveProcess[]): boolean {
  if (!isInteractiveShell(shell)) return false;
  const opener = ancestors.find((process) => !isInteractiveShell(process) && !(isSystemProgram(process) && userSwitchers.has(programName(process))));
  const why = opener === undefined ? undefined : protectedProgram(opener);
  return why === remoteLogin || why === loginOrTerminal;
}

export function programName(process: Pick<LiveProcess, 'exe' | 'comm'>): string {
  return process.exe === '' ? process.comm : process.exe.slice(process.exe.lastIndexOf('/') + 1);
}

/** Why this program is never stopped, or undefined. php-fpm8.2, postgres-16 and their like are known without the version. */
export function protectedProgram(process: LiveProcess): string | undefined {
  if (!isSystemProgram(process)) return undefined;
  if (process.interactiveShell) return 'an interactive shell: a person works there';
  const name = programName(process);
  if (name === 'rsync' && process.commandLine.includes('--daemon')) return reasonByName.get('rsyncd');
  if (name === 'busybox' && process.commandLine[0]?.endsWith('init') === true) return reasonByName.get('init');
  return reasonByName.get(name) ?? reasonByName.get(name.replace(/-?[\d.]+$/u, ''));
}

/** Programs that run what a script or their arguments say. As a leader of a session they may be the attack itself. */
const scriptRunners = /^(?:ba|da|z|k|mk|a|tc|c|fi)?sh$|^(?:python|pypy|perl|ruby|node|nodejs|deno|bun|php|lua|tclsh|pwsh|busybox|java|mono)[\d.]*$/u;
const drivers = new Set(['xargs', 'find', 'parallel', 'env', 'timeout', 'nohup', 'nice', 'ionice', 'make', 'watch', 'setsid', 'stdbuf']);

const shells = /^(?:ba|da|z|k|mk|a|tc|c|fi)?sh$/u;

/** Whether a shell forked without beginning another program: the two run one script. */
export function isSubshell(process: LiveProcess, parent: LiveProcess): boolean {
  return (
    shells.test(programName(process)) &&
    process.exe === parent.exe &&
    process.commandLine.length > 1 &&
    process.commandLine.length === parent.commandLine.length &&
    process.commandLine.every((argument, index) => argument === parent.commandLine[index])
  );
}

export function isInterpreter(process: Pick<LiveProcess, 'exe' | 'comm'>): boolean {
  return scriptRunners.test(programName(process));
}

/** A leader of a session that is a job of its own (`sh -c …`, a script, xargs), not a login or a daemon. */
export function drivesItsSession(process: LiveProcess): boolean {
  if (isInteractiveShell(process)) return false;
  // A program that the attacker brought along; of one that could not be read nobody knows that.
  if (process.exe !== '' && !isSystemProgram(process)) return true;
  if (drivers.has(programName(process))) return true;
  return isInterpreter(process) && process.commandLine.length > 1;
}
