import { EventPattern, MessagePattern } from '@nestjs/microservices';
import type { commandNames, ConsumerDeclaration, ServiceName } from '@kuramori/contracts';

/** A controller method that handles each message of a durable consumer; it is acknowledged when the method's promise resolves. */
export function onStream(declaration: ConsumerDeclaration): MethodDecorator {
  // Nest types it for handlers of one shape; ours check the body themselves.
  const decorator: unknown = EventPattern(declaration.durable);
  return decorator as MethodDecorator;
}

/** A controller method that answers a command of its service; what it returns becomes the reply's `result`. */
export function onCommand<S extends ServiceName>(service: S, name: (typeof commandNames)[S][number]): MethodDecorator {
  const decorator: unknown = MessagePattern(commandPattern(service, name));
  return decorator as MethodDecorator;
}

export function commandPattern(service: string, name: string): string {
  return `command:${service}:${name}`;
}
