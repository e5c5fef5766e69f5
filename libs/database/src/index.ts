export { type DatabaseDefinition, DatabaseError, openDatabase } from './open-database';
