import path from 'node:path';
import type { DataSource } from 'typeorm';
import { openDatabase } from '@kuramori/database';
import { CreateIncidents1764000000000 } from './create-incidents.migration';
import { IncidentRow, OutboxRow, SettingRow } from './rows';

export function databaseFile(dataDir: string): string {
  return path.join(dataDir, 'responder', 'responder.sqlite');
}

/** The responder's own database. @throws DatabaseError */
export async function openIncidents(file: string): Promise<DataSource> {
  return openDatabase({
    file,
    entities: [IncidentRow, OutboxRow, SettingRow],
    migrations: [CreateIncidents1764000000000],
    lossWithoutIt: 'incidents start anew',
  });
}
