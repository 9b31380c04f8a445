using System.Text;

namespace Strata.Images;

/// <summary>Finds the files of kernel modules in an unpacked kernel package.</summary>
internal static class KernelModules
{
    private static readonly string[] Useless =
    [
        "arch/x86/kvm", "drivers/comedi", "drivers/cxl", "drivers/hv", "drivers/infiniband", "drivers/net/ethernet", "drivers/net/hyperv",
        "drivers/net/wwan", "drivers/nvdimm", "drivers/soundwire", "drivers/xen",
    ];

    /// <summary>The modules and what they depend on, dependencies first; what is built into the kernel has no file.</summary>
    /// <param name="loaded">Modules that are left out, as those before; the result's are added. Null for none.</param>
    public static List<(
        string Module, byte[] Content)> InLoadOrder(string root, IEnumerable<string> modules, HashSet<string>? loaded = null)
    {
        Dictionary<string, string> files = Directory.EnumerateFiles(root, "*.ko", SearchOption.AllDirectories)
            .GroupBy(file => Path.GetFileNameWithoutExtension(file).Replace('-', '_'))
            .ToDictionary(group => group.Key, group => group.First());
        List<(string Module, byte[] Content)> order = [];
        HashSet<string> seen = loaded ?? [];
        void Visit(string module)
        {
            if (!seen.Add(module) || !files.TryGetValue(module, out string? file))
            {
                return;
            }

            byte[] content = File.ReadAllBytes(file);
            foreach (string dependency in DependenciesOf(content))
            {
                Visit(dependency);
            }

            order.Add((module, content));
        }

        foreach (string module in modules)
        {
            Visit(module);
        }

        return order;
    }

    /// <summary>Deletes drivers of hardware that no machine here has: other monitors' devices, adapters of real machines.</summary>
    public static void RemoveUseless(string root)
    {
        foreach (string release in Directory.GetDirectories(Path.Combine(root, "lib", "modules")))
        {
            foreach (string path in Useless.Select(folder => Path.Combine(release, "kernel", folder)).Where(Directory.Exists))
            {
                Directory.Delete(path, recursive: true);
            }
        }
    }

    /// <summary>The "depends=" entry of a module's .modinfo section.</summary>
    private static string[] DependenciesOf(ReadOnlySpan<byte> module)
    {
        ReadOnlySpan<byte> key = "\0depends="u8;
        int at = module.IndexOf(key);
        if (at < 0)
        {
            return [];
        }

        ReadOnlySpan<byte> value = module[(at + key.Length)..];
        return Encoding.ASCII.GetString(value[..Math.Max(0, value.IndexOf((byte)0))])
            .Split(',', StringSplitOptions.RemoveEmptyEntries)
            .Select(name => name.Replace('-', '_'))
            .ToArray();
    }
}
