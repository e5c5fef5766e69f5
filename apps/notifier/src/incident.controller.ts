import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { onStream } from '@kuramori/bus';
import { consumers } from '@kuramori/contracts';
import { Notifier } from './notifier';

/** Incident events come in here, one at a time and in order. */
@Controller()
export class IncidentController {
  constructor(@Inject(Notifier) private readonly notifier: Notifier) {}

  /** Acknowledged when the notices it calls for stand in the outbox. */
  @onStream(consumers.notifierIncidents)
  async event(@Payload() body: unknown): Promise<void> {
    await this.notifier.onEvent(body);
  }
}
