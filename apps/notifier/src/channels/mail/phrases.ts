/** Every sentence of a mail, in the languages of the settings. Written for somebody who is woken by it. */
import type { Language } from '@kuramori/config';
import type { ActionStatus, Severity } from '@kuramori/contracts';

export interface Phrases {
  /** The same words as a sentence of their own. */
  readonly sentence: (words: string) => string;
  /** Between two facts on one line. */
  readonly comma: string;
  /** Between two sentences. */
  readonly space: string;
  readonly subjectOpened: (host: string, who: string) => string;
  readonly subjectOver: (host: string, state: string) => string;
  readonly whoProgram: (program: string, user: string) => string;
  readonly whoUnknown: string;
  readonly whoClient: (client: string, user: string) => string;
  readonly opened: {
    readonly attack: string;
    readonly contained: string;
    readonly notContained: string;
    readonly working: string;
    readonly observed: string;
  };
  readonly over: {
    readonly restoredAll: string;
    readonly notAllRestored: string;
    readonly closed: string;
    readonly observed: string;
    readonly falseAlarm: string;
    readonly notContained: string;
  };
  readonly headings: {
    readonly what: string;
    readonly who: string;
    readonly done: string;
    readonly files: string;
    readonly why: string;
    readonly next: string;
  };
  readonly labels: {
    readonly server: string;
    readonly severity: string;
    readonly confidence: string;
    readonly began: string;
    readonly stopped: string;
    readonly restored: string;
    readonly family: string;
    readonly program: string;
    readonly command: string;
    readonly user: string;
    readonly processId: string;
    readonly client: string;
    readonly incident: string;
  };
  readonly fileCounts: {
    readonly touched: string;
    readonly restored: string;
    readonly alreadyIntact: string;
    readonly quarantined: string;
    readonly unrecoverable: string;
  };
  readonly severities: Readonly<Record<Severity, string>>;
  readonly statuses: Readonly<Record<ActionStatus, string>>;
  /** Names of actions; others are shown as they are. */
  readonly actions: Readonly<Record<string, string>>;
  /** By indicator; undefined where the summary of the evidence is shown as it is. */
  readonly indicators: Readonly<Record<string, string>> | undefined;
  readonly more: (count: number) => string;
  readonly next: {
    readonly details: string;
    readonly nothing: string;
    readonly stopByHand: string;
    readonly unrecoverable: string;
    readonly falseAlarm: string;
    readonly password: string;
    readonly enforce: string;
  };
  readonly footer: string;
}

const en: Phrases = {
  sentence: (words) => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`,
  comma: ', ',
  space: ' ',
  subjectOpened: (host, who) => `[Kuramori] ${host}: attack on files by ${who}`,
  subjectOver: (host, state) => `[Kuramori] ${host}: ${state}`,
  whoProgram: (program, user) => (user === '' ? program : `${program} (user ${user})`),
  whoUnknown: 'an unknown program',
  whoClient: (client, user) => (user === '' ? client : `${client} (user ${user})`),
  opened: {
    attack: 'Files on this server were being encrypted or destroyed.',
    contained: 'The attacker has been stopped. Its changes are being undone now.',
    notContained: 'The attacker could NOT be stopped automatically. Please act now: see "What to do" below.',
    working: 'Kuramori is stopping the attacker and will undo its changes.',
    observed: 'Kuramori runs in observe mode: NOTHING was stopped and nothing will be restored. Please act now.',
  },
  over: {
    restoredAll: 'attack over, all files are back',
    notAllRestored: 'attack over, some files could not be recovered',
    closed: 'attack over, incident closed',
    observed: 'incident closed, nothing was done (observe mode)',
    falseAlarm: 'marked as a false alarm',
    notContained: 'files are back, but the attacker could not be stopped',
  },
  headings: { what: 'What happened', who: 'Who did it', done: 'What Kuramori did', files: 'Files', why: 'Why Kuramori is sure', next: 'What to do' },
  labels: {
    server: 'Server',
    severity: 'Severity',
    confidence: 'confidence',
    began: 'Began',
    stopped: 'Stopped',
    restored: 'Restored',
    family: 'Looks like',
    program: 'Program',
    command: 'Command',
    user: 'User',
    processId: 'Process id',
    client: 'Client',
    incident: 'Incident',
  },
  fileCounts: {
    touched: 'touched',
    restored: 'restored',
    alreadyIntact: 'were intact',
    quarantined: 'notes and leftovers moved to quarantine',
    unrecoverable: 'could NOT be recovered',
  },
  severities: { low: 'low', medium: 'medium', high: 'high', critical: 'critical' },
  statuses: { planned: 'planned', running: 'under way', done: 'done', failed: 'FAILED', skipped: 'not done', 'would-do': 'would have been done' },
  actions: {
    suspend: 'Freeze the processes',
    kill: 'End the processes',
    contain: 'Stop the attacker',
    spare: 'Left running',
    pin: 'Keep the clean versions',
    restore: 'Undo the changes',
    'clean-up': 'Clean up',
    'quarantine-program': 'Program of the attacker',
    release: 'Put back what was changed',
    close: 'Close the incident',
    reopen: 'Reopen the incident',
  },
  indicators: undefined,
  more: (count) => `… and ${count} more`,
  next: {
    details: 'See everything that is known, with the list of files:',
    nothing: 'Nothing has to be done at once. Another mail follows when it is over.',
    stopByHand: 'Find and end the program, or disconnect the user or the client from the network. Files are restored when it has been quiet.',
    unrecoverable: 'Restore the files that could not be recovered from your backup. The list:',
    falseAlarm: 'If this was legitimate work, put everything back and let it go on:',
    password: 'Find out how the attacker got in: change the password of the user, look at recent logins.',
    enforce: 'Set "mode: enforce" in kuramori.yaml if Kuramori shall act by itself.',
  },
  footer: 'Sent by Kuramori. You get one mail when an attack begins and one when it is over.',
};

const ja: Phrases = {
  sentence: (words) => `${words}。`,
  comma: '、',
  space: '',
  subjectOpened: (host, who) => `[Kuramori] ${host}: ファイルへの攻撃を検知（${who}）`,
  subjectOver: (host, state) => `[Kuramori] ${host}: ${state}`,
  whoProgram: (program, user) => (user === '' ? program : `${program}、ユーザー ${user}`),
  whoUnknown: '不明なプログラム',
  whoClient: (client, user) => (user === '' ? client : `${client}、ユーザー ${user}`),
  opened: {
    attack: 'このサーバーのファイルが暗号化または破壊されていました。',
    contained: '攻撃者は停止済みです。変更を元に戻しています。',
    notContained: '攻撃者を自動で停止できませんでした。下の「対応」をご確認のうえ、すぐに対処してください。',
    working: 'Kuramori が攻撃者を停止し、変更を元に戻します。',
    observed: '監視のみのモード（observe）で動作中のため、何も停止せず、復元もしません。すぐに対処してください。',
  },
  over: {
    restoredAll: '攻撃は終息、全ファイルを復元しました',
    notAllRestored: '攻撃は終息、復元できないファイルがあります',
    closed: '攻撃は終息、インシデントを終了しました',
    observed: 'インシデントを終了しました（監視のみのモード、対処なし）',
    falseAlarm: '誤検知として処理しました',
    notContained: 'ファイルは復元しましたが、攻撃者を停止できていません',
  },
  headings: { what: '概要', who: '攻撃者', done: 'Kuramori の対応', files: 'ファイル', why: '判断の根拠', next: '対応' },
  labels: {
    server: 'サーバー',
    severity: '深刻度',
    confidence: '確信度',
    began: '開始',
    stopped: '停止',
    restored: '復元',
    family: '種類の推定',
    program: 'プログラム',
    command: 'コマンド',
    user: 'ユーザー',
    processId: 'プロセス ID',
    client: 'クライアント',
    incident: 'インシデント',
  },
  fileCounts: {
    touched: '影響を受けた数',
    restored: '復元した数',
    alreadyIntact: '無傷だった数',
    quarantined: '隔離した数（脅迫文、残骸）',
    unrecoverable: '復元できなかった数',
  },
  severities: { low: '低', medium: '中', high: '高', critical: '緊急' },
  statuses: { planned: '予定', running: '実行中', done: '完了', failed: '失敗', skipped: '未実施', 'would-do': '観測のみ（実施なし）' },
  actions: {
    suspend: 'プロセスの一時停止',
    kill: 'プロセスの終了',
    contain: '攻撃者の封じ込め',
    spare: '停止しなかったプロセス',
    pin: '正常な版の保護',
    restore: '変更の取り消し',
    'clean-up': '後片付け',
    'quarantine-program': '攻撃に使われたプログラム',
    release: '変更したものの復旧',
    close: 'インシデントの終了',
    reopen: 'インシデントの再開',
  },
  indicators: {
    'content-replaced': '文書の内容が、意味のないデータに置き換えられました',
    'structure-broken': 'ファイルの構造が壊されました',
    'extension-churn': '多数のファイルの拡張子が変えられました',
    'ransom-note': '脅迫文が置かれました',
    canary: 'おとりファイルが変更されました',
    'write-new-delete-old': '新しいファイルが書かれ、元のファイルが消されました',
    rate: '短時間に多数のファイルが変更されました',
  },
  more: (count) => `… ほか ${count} 件`,
  next: {
    details: '詳細とファイルの一覧:',
    nothing: '今すぐ必要な作業はありません。終息後にもう一度メールをお送りします。',
    stopByHand:
      'プログラムを特定して終了するか、ユーザーまたはクライアントをネットワークから切り離してください。静かになり次第、ファイルを復元します。',
    unrecoverable: '復元できなかったファイルは、バックアップから戻してください。一覧:',
    falseAlarm: '正当な作業だった場合は、次のコマンドで元に戻して続行できます:',
    password: '侵入経路を確認してください（ユーザーのパスワード変更、最近のログインの確認）。',
    enforce: '自動で対処させるには、kuramori.yaml で「mode: enforce」を設定してください。',
  },
  footer: 'Kuramori からの自動送信です。攻撃の開始時と終息時に一通ずつお送りします。',
};

const phrases: Readonly<Record<Language, Phrases>> = { en, ja };

export function phrasesOf(language: Language): Phrases {
  return phrases[language];
}
