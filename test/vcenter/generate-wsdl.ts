import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// Makes vimService.wsdl, vim.wsdl and vim-types.xsd out of govmomi's Go types, which keep the order of the schema's
// elements, as a vCenter serves them.
//   generate-wsdl.ts DIRECTORY-OF-VIM25 OUTPUT-DIRECTORY

const [source = '', out = ''] = process.argv.slice(2);
const types = readFileSync(join(source, 'types/types.go'), 'utf8');
const enums = readFileSync(join(source, 'types/enum.go'), 'utf8');

const PRIMITIVES: Readonly<Record<string, string>> = {
  string: 'xsd:string',
  int: 'xsd:int',
  int8: 'xsd:byte',
  byte: 'xsd:byte',
  uint8: 'xsd:byte',
  int16: 'xsd:short',
  int32: 'xsd:int',
  int64: 'xsd:long',
  bool: 'xsd:boolean',
  float32: 'xsd:float',
  float64: 'xsd:double',
  'time.Time': 'xsd:dateTime',
  'url.URL': 'xsd:anyURI',
  AnyType: 'xsd:anyType',
};
const structs = new Map(
  [...types.matchAll(/^type (\w+) struct \{\n?([\s\S]*?)\n?\}/gm)].map(m => [m[1] ?? '', m[2] ?? '']),
);

function schemaType(go: string): string {
  if (go.includes('[]byte')) return 'xsd:base64Binary';
  const bare = go.replace(/^(\[\]|\*)+/, '');
  const named = /^Base[A-Z]/.test(bare) && !structs.has(bare) ? bare.slice(4) : bare;
  return PRIMITIVES[bare] ?? `vim25:${named}`;
}

function complexType(name: string, body: string): string {
  let base = '';
  const elements: string[] = [];
  for (const line of body.split('\n').map(text => text.trim())) {
    if (line === '' || line.startsWith('//')) continue;
    if (/^\w+$/.test(line)) {
      base = line;
      continue;
    }
    const [, go = '', tag = ''] = /^\w+\s+(\S+)\s+`xml:"([^"]*)"/.exec(line) ?? [];
    const [element = '', ...options] = tag.split(',');
    if (element === '' || options.includes('attr') || options.includes('chardata')) continue;
    const optional = options.includes('omitempty') || go.startsWith('*') ? ' minOccurs="0"' : '';
    const many = go.startsWith('[]') && go !== '[]byte' ? ' maxOccurs="unbounded"' : '';
    elements.push(`<element name="${element}" type="${schemaType(go)}"${optional}${many}/>`);
  }
  const sequence = `<sequence>${elements.join('')}</sequence>`;
  const content =
    base === ''
      ? sequence
      : `<complexContent><extension base="vim25:${base}">${sequence}</extension></complexContent>`;
  return `<complexType name="${name}">${content}</complexType>`;
}

function simpleType(name: string): string {
  const values = [...enums.matchAll(new RegExp(`^\\s+\\w+\\s*=\\s*${name}\\("([^"]*)"\\)`, 'gm'))];
  const facets = values.map(m => `<enumeration value="${m[1]}"/>`).join('');
  return `<simpleType name="${name}"><restriction base="xsd:string">${facets}</restriction></simpleType>`;
}

const operations = [...types.matchAll(/^type (\w+) (\w+RequestType)$/gm)]
  .map(m => ({ name: m[1] ?? '', request: m[2] ?? '' }))
  .filter(({ name }) => structs.has(`${name}Response`));
const schema = [
  ...[...structs]
    .filter(([name]) => name !== 'ManagedObjectReference')
    .map(([name, body]) => complexType(name, body)),
  ...[...enums.matchAll(/^type (\w+) string/gm)].map(m => simpleType(m[1] ?? '')),
  '<complexType name="ManagedObjectReference"><simpleContent><extension base="xsd:string"><attribute name="type" type="xsd:string"/></extension></simpleContent></complexType>',
  ...operations.map(
    ({ name, request }) =>
      `<element name="${name}" type="vim25:${request}"/><element name="${name}Response" type="vim25:${name}Response"/>`,
  ),
];

const XML = '<?xml version="1.0" encoding="UTF-8"?>';
const XSD =
  'xmlns="http://www.w3.org/2001/XMLSchema" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:vim25="urn:vim25" targetNamespace="urn:vim25" elementFormDefault="qualified"';
const WSDL = 'xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"';

writeFileSync(join(out, 'vim-types.xsd'), `${XML}\n<schema ${XSD}>\n${schema.join('\n')}\n</schema>\n`);
writeFileSync(
  join(out, 'vim.wsdl'),
  `${XML}
<definitions targetNamespace="urn:vim25" ${WSDL} xmlns:vim25="urn:vim25" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
<types><schema ${XSD}><include schemaLocation="vim-types.xsd"/></schema></types>
${operations
  .map(
    ({ name }) =>
      `<message name="${name}RequestMsg"><part name="parameters" element="vim25:${name}"/></message><message name="${name}ResponseMsg"><part name="parameters" element="vim25:${name}Response"/></message>`,
  )
  .join('\n')}
<portType name="VimPortType">${operations
    .map(
      ({ name }) =>
        `<operation name="${name}"><input message="vim25:${name}RequestMsg"/><output message="vim25:${name}ResponseMsg"/></operation>`,
    )
    .join('\n')}</portType>
<binding name="VimBinding" type="vim25:VimPortType"><soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
${operations
  .map(
    ({ name }) =>
      `<operation name="${name}"><soap:operation soapAction="urn:vim25/7.0" style="document"/><input><soap:body use="literal" parts="parameters"/></input><output><soap:body use="literal" parts="parameters"/></output></operation>`,
  )
  .join('\n')}</binding></definitions>
`,
);
writeFileSync(
  join(out, 'vimService.wsdl'),
  `${XML}
<definitions targetNamespace="urn:vim25Service" ${WSDL} xmlns:interface="urn:vim25"><import location="vim.wsdl" namespace="urn:vim25"/><service name="VimService"><port binding="interface:VimBinding" name="VimPort"><soap:address location="https://localhost/sdk/vimService"/></port></service></definitions>
`,
);
