import type { Actor } from '@kuramori/contracts';

/** Never part of an attack's tree, nor anything above them: logins, jobs and services begin here. */
const boundaries = new Set([
  ...['systemd', 'init', 'runit', 'runsvdir', 'runsv', 's6-svscan', 's6-supervise', 'openrc-run', 'supervisord', 'dinit', 'tini', 'dumb-init'],
  ...['monit', 'sshd', 'sshd-session', 'dropbear', 'login', 'getty', 'agetty', 'su', 'sudo', 'doas', 'cron', 'crond', 'anacron', 'atd', 'fcron'],
  ...['slurmstepd', 'xinetd', 'tmux', 'tmux: server', 'screen', 'SCREEN', 'zellij', 'dtach', 'xterm', 'konsole', 'gnome-terminal-', 'kitty'],
  ...['alacritty', 'gnome-shell', 'plasmashell', 'Xorg', 'containerd-shim', 'containerd', 'dockerd', 'runc', 'crun', 'conmon', 'podman'],
  ...[
    'lxc-start',
    'kubelet',
    'qemu-system-x86',
    'smbd',
    'nfsd',
    'rsyncd',
    'vsftpd',
    'proftpd',
    'sftp-server',
    'apache2',
    'nginx',
    'httpd',
    'php-fpm',
  ],
]);
const shells = new Set(['sh', 'bash', 'dash', 'zsh', 'fish', 'ksh', 'mksh', 'tcsh', 'csh', 'ash', 'pwsh']);

export interface Tree {
  /** The key that the root of the tree has as an actor. */
  readonly key: string;
  /** A shell that leads its session: perhaps a person's, who types one command after the other. */
  readonly sessionShell: boolean;
}

/**
 * Trees an actor belongs to, itself first, then its ancestors up to the leader of its session: what stands above existed before the job. Kuramori's own
 * processes (`own`, by actor key) end the line too. Empty for actors that are no processes.
 */
export function treesOf(actor: Actor, own: (key: string) => boolean = () => false): Tree[] {
  if (actor.kind !== 'process' || actor.pid === undefined) return [];
  const trees: Tree[] = [{ key: actor.key, sessionShell: false }];
  if (actor.pid === actor.sessionId) return trees;
  const prefix = actor.key.slice(0, actor.key.indexOf(':', 'process:'.length) + 1);
  for (const { pid, startTime, comm } of actor.ancestors ?? []) {
    const key = `${prefix}${pid}:${startTime}`;
    if (pid <= 1 || boundaries.has(comm) || own(key)) break;
    trees.push({ key, sessionShell: pid === actor.sessionId && shells.has(comm.replace(/^-/u, '')) });
    if (pid === actor.sessionId) break;
  }
  return trees;
}

/** What a key alone tells of an actor whose description has been forgotten or never came. */
export function actorOfKey(key: string): Actor {
  const process = /^process:[^:]+:(\d+):(\d+)$/u.exec(key);
  if (process !== null) return { key, kind: 'process', pid: Math.max(1, Number(process[1])), startTime: Number(process[2]) };
  const client = /^smb:(.*)@([^/]*)\//u.exec(key);
  if (client !== null) return { key, kind: 'smb-client', user: client[1] ?? '', client: client[2] ?? '' };
  return { key, kind: 'unknown' };
}
