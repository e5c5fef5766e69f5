import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { onStream } from '@kuramori/bus';
import { consumers } from '@kuramori/contracts';
import { Responder } from './responder';

/** Verdicts come in here, one at a time and in order. */
@Controller()
export class VerdictController {
  constructor(@Inject(Responder) private readonly responder: Responder) {}

  /** Acknowledged when the attacker is stopped and the incident written; the undo goes on by itself. */
  @onStream(consumers.responderVerdicts)
  async verdict(@Payload() body: unknown): Promise<void> {
    await this.responder.onVerdict(body);
  }
}
