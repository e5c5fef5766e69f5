import { Column, Entity, Index, PrimaryColumn, PrimaryGeneratedColumn } from 'typeorm';

/** One incident. What is searched for stands in columns, the whole case as JSON in `body`. */
@Entity('incident')
export class IncidentRow {
  @PrimaryColumn({ type: 'text' })
  id: string;

  @Index('incident_attack', { unique: true })
  @Column({ type: 'text' })
  attackId: string;

  @Index('incident_opened')
  @Column({ type: 'integer' })
  openedAtMs: number;

  @Column({ type: 'text' })
  state: string;

  /** 1: the responder still has something to do with it. */
  @Index('incident_active')
  @Column({ type: 'integer' })
  active: number;

  @Column({ type: 'text' })
  body: string;
}

/** An event that is to be published; written in the transaction that changed the incident, removed once the bus has it. */
@Entity('outbox')
export class OutboxRow {
  @PrimaryGeneratedColumn({ type: 'integer' })
  sequence: number;

  /** Id of the CloudEvent, and the bus's message id. */
  @Column({ type: 'text', unique: true })
  messageId: string;

  @Column({ type: 'text' })
  subject: string;

  @Column({ type: 'text' })
  body: string;
}

/** Single values that must survive a restart. */
@Entity('setting')
export class SettingRow {
  @PrimaryColumn({ type: 'text' })
  name: string;

  @Column({ type: 'text' })
  value: string;
}
