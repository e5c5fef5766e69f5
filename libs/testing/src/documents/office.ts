/** Office documents, PDFs and images written as their formats ask, filled with text that was found on this machine. */
import { zipSync, strToU8 } from 'fflate';
import { crc32, deflateSync } from 'node:zlib';
import type { SeededRandom } from './random';

const xmlHeader = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';

function escapeXml(text: string): string {
  // XML 1.0 allows no control characters but tab, line feed and carriage return.
  return text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD]/gu, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}

function packageParts(mainPart: string, mainType: string, relationType: string, parts: Record<string, string>): Uint8Array {
  const overrides = `<Override PartName="/${mainPart}" ContentType="${mainType}"/>`;
  const all: Record<string, string> = {
    '[Content_Types].xml': `${xmlHeader}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>${overrides}</Types>`,
    '_rels/.rels': `${xmlHeader}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/${relationType}" Target="${mainPart}"/></Relationships>`,
    ...parts,
  };
  return zipSync(Object.fromEntries(Object.entries(all).map(([name, text]) => [name, strToU8(text)])), { mtime: '2025-04-01T09:00:00Z' });
}

/** A Word document (ECMA-376) with one paragraph a line. */
export function docx(text: string): Uint8Array {
  const paragraphs = text.split('\n').map((line) => `<w:p><w:r><w:t xml:space="preserve">${escapeXml(line)}</w:t></w:r></w:p>`);
  return packageParts('word/document.xml', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml', 'officeDocument', {
    'word/document.xml': `${xmlHeader}<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>${paragraphs.join('')}</w:body></w:document>`,
  });
}

/** An Excel workbook with one sheet of numbers and words. */
export function xlsx(random: SeededRandom, rows: number): Uint8Array {
  const cells = Array.from({ length: rows }, (_, row) => {
    const values = Array.from(
      { length: 8 },
      (_unused, column) => `<c r="${String.fromCharCode(65 + column)}${row + 1}"><v>${random.below(1_000_000) / 100}</v></c>`,
    );
    return `<row r="${row + 1}">${values.join('')}</row>`;
  });
  return packageParts('xl/workbook.xml', 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml', 'officeDocument', {
    'xl/workbook.xml': `${xmlHeader}<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Plan" sheetId="1" r:id="rId1"/></sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `${xmlHeader}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
    'xl/worksheets/sheet1.xml': `${xmlHeader}<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>${cells.join('')}</sheetData></worksheet>`,
  });
}

/** A one-page PDF 1.4 with a compressed content stream and a correct cross-reference table. */
export function pdf(text: string): Uint8Array {
  const lines = text.split('\n').slice(0, 400);
  const content = `BT /F1 9 Tf 40 800 Td 11 TL\n${lines.map((line) => `(${line.replaceAll(/[^\x20-\x7e]/gu, ' ').replaceAll(/([\\()])/gu, '\\$1')}) '`).join('\n')}\nET`;
  const stream = deflateSync(Buffer.from(content));
  const objects: Buffer[] = [
    Buffer.from('<< /Type /Catalog /Pages 2 0 R >>'),
    Buffer.from('<< /Type /Pages /Kids [3 0 R] /Count 1 >>'),
    Buffer.from('<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>'),
    Buffer.concat([Buffer.from(`<< /Length ${stream.length} /Filter /FlateDecode >>\nstream\n`), stream, Buffer.from('\nendstream')]),
    Buffer.from('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>'),
  ];
  const pieces: Buffer[] = [Buffer.from('%PDF-1.4\n%\xe2\xe3\xcf\xd3\n', 'latin1')];
  const offsets: number[] = [];
  let position = pieces[0]?.length ?? 0;
  for (const [index, object] of objects.entries()) {
    offsets.push(position);
    const piece = Buffer.concat([Buffer.from(`${index + 1} 0 obj\n`), object, Buffer.from('\nendobj\n')]);
    pieces.push(piece);
    position += piece.length;
  }
  const table = offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  pieces.push(
    Buffer.from(
      `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${position}\n%%EOF\n`,
    ),
  );
  return Buffer.concat(pieces);
}

function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), framed.length - 4);
  return framed;
}

/** An RGB picture (PNG 1.2) of soft gradients with some noise, as a photograph has. */
export function png(random: SeededRandom, width: number, height: number): Uint8Array {
  const raw = Buffer.alloc(height * (1 + width * 3));
  const tint = [random.below(200), random.below(200), random.below(200)];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        raw[y * (1 + width * 3) + 1 + x * 3 + channel] = (tint[channel] ?? 0) + ((x * (channel + 1) + y) >> 2) + random.below(6);
      }
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(raw)),
    pngChunk('IEND', new Uint8Array()),
  ]);
}
