import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { onCommand } from '@kuramori/bus';
import type { Incident, RestoreReport } from '@kuramori/contracts';
import { Responder } from './responder';

/** What people and other systems may ask the responder. */
@Controller()
export class OperatorController {
  constructor(@Inject(Responder) private readonly responder: Responder) {}

  @onCommand('responder', 'incidents')
  async incidents(@Payload() query: unknown): Promise<{ incidents: Incident[] }> {
    return this.responder.commands.incidents(query);
  }

  @onCommand('responder', 'incident')
  async incident(@Payload() query: unknown): Promise<{ incident: Incident }> {
    return this.responder.commands.incident(query);
  }

  @onCommand('responder', 'decide')
  async decide(@Payload() command: unknown): Promise<{ incident: Incident }> {
    return this.responder.commands.decide(command);
  }

  @onCommand('responder', 'undo')
  async undo(@Payload() command: unknown): Promise<RestoreReport> {
    return this.responder.commands.undo(command);
  }
}
