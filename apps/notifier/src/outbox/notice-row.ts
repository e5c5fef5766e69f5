import { Column, Entity, PrimaryColumn } from 'typeorm';

/** One message to people by one channel: at most one of each kind per incident, remembered after it was sent. */
@Entity('notice')
export class NoticeRow {
  @PrimaryColumn({ type: 'text' })
  channel: string;

  @PrimaryColumn({ type: 'text' })
  incidentId: string;

  /** `opened` or `over`. */
  @PrimaryColumn({ type: 'text' })
  kind: string;

  /** `waiting`, `sent` or `refused`. */
  @Column({ type: 'text' })
  state: string;

  @Column({ type: 'integer' })
  createdAtMs: number;

  /** Not sent before this moment. */
  @Column({ type: 'integer' })
  dueAtMs: number;

  @Column({ type: 'integer' })
  tries: number;

  /** Why the last attempt failed; empty when none did. */
  @Column({ type: 'text' })
  problem: string;

  /** The incident as last heard, JSON. */
  @Column({ type: 'text' })
  incident: string;
}
