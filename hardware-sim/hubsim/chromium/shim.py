"""What the page's Web Bluetooth tells the emulated radio: that it leaves, and where it listens.

Law: a page that has left connects again only after its link has ended (`window.hasLeft`).
"""

SHIM = """
const disconnect = BluetoothRemoteGATTServer.prototype.disconnect;
let leaving = Promise.resolve();
BluetoothRemoteGATTServer.prototype.disconnect = function () {
  leaving = new Promise((left) => { window.hasLeft = left; });
  pageLeft("");
  return disconnect.call(this);
};
const connect = BluetoothRemoteGATTServer.prototype.connect;
BluetoothRemoteGATTServer.prototype.connect = async function () {
  await leaving;
  return connect.call(this);
};
const start = BluetoothRemoteGATTCharacteristic.prototype.startNotifications;
BluetoothRemoteGATTCharacteristic.prototype.startNotifications = async function () {
  const started = await start.call(this);
  window.notified = (bytes) => {
    const value = new DataView(Uint8Array.from(bytes).buffer);
    Object.defineProperty(this, "value", {value, configurable: true});
    this.dispatchEvent(new Event("characteristicvaluechanged"));
  };
  return started;
};
"""
