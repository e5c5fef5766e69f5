import path from 'node:path';
import type { DataSource } from 'typeorm';
import { openDatabase } from '@kuramori/database';
import { CreateNotices1764000000000 } from './create-notices.migration';
import { NoticeRow } from './notice-row';

export function databaseFile(dataDir: string): string {
  return path.join(dataDir, 'notifier', 'notifier.sqlite');
}

/** The notifier's own database. @throws DatabaseError */
export async function openNotices(file: string): Promise<DataSource> {
  return openDatabase({
    file,
    entities: [NoticeRow],
    migrations: [CreateNotices1764000000000],
    lossWithoutIt: 'mails not sent yet are lost, incidents are not',
  });
}
