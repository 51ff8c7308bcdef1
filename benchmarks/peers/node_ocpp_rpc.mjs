// The central system of the npm package ocpp-rpc in strict mode, as its README builds it.
// It answers and stores nothing. A peer for the bench, and nothing else.
import { RPCServer } from 'ocpp-rpc';

let transactions = 0;
const now = () => new Date().toISOString();
const accepted = { idTagInfo: { status: 'Accepted' } };

const server = new RPCServer({ protocols: ['ocpp1.6'], strictMode: true });
server.auth((accept) => accept());
server.on('client', (client) => {
  client.handle('BootNotification', () => ({ status: 'Accepted', interval: 300, currentTime: now() }));
  client.handle('Heartbeat', () => ({ currentTime: now() }));
  client.handle('StartTransaction', () => ({ transactionId: ++transactions, ...accepted }));
  client.handle('MeterValues', () => ({}));
  client.handle('StopTransaction', () => accepted);
});
const listening = await server.listen(Number(process.argv[2] || 0), '127.0.0.1');
console.log(`Listening at: http://127.0.0.1:${listening.address().port} `);
