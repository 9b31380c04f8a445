namespace Strata.Virtio.Console;

/// <summary>
/// Numbers of virtio-console. Virtual I/O Device (VIRTIO) 1.2, "Console Device", "Device configuration layout" and "Multiport Device
/// Operation".
/// <code>
/// configuration:  0 cols (16)  2 rows (16)  4 max_nr_ports (32)  8 emerg_wr (32)
/// control:        0 id (32)  4 event (16)  6 value (16)
/// </code>
/// </summary>
internal static class ConsoleLayout
{
    public const ulong VIRTIO_CONSOLE_F_MULTIPORT = 1 << 1;

    public const int ConfigurationSize = 12;
    public const int MaxNrPorts = 4;

    public const ushort VIRTIO_CONSOLE_DEVICE_READY = 0;
    public const ushort VIRTIO_CONSOLE_DEVICE_ADD = 1;
    public const ushort VIRTIO_CONSOLE_PORT_READY = 3;
    public const ushort VIRTIO_CONSOLE_CONSOLE_PORT = 4;
    public const ushort VIRTIO_CONSOLE_PORT_OPEN = 6;

    /// <summary>Bytes of a control message.</summary>
    public const int ControlSize = 8;
}
