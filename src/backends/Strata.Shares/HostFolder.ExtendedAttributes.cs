using Strata.Core.Sharing;

namespace Strata.Shares;

/// <content>
/// Extended attributes, xattr(7). Those of users are the host's own. <c>trusted.*</c> and file capabilities mean something to the guest and
/// must mean nothing to the host: they are kept as <c>user.strata.NAME</c>, a name that the guest itself cannot use. Labels of security
/// modules, ACLs and everything else are not supported, and said to be so.
/// </content>
public sealed partial class HostFolder
{
    private byte[]? _attributeNames;

    private static ReadOnlySpan<byte> UserPrefix => "user."u8;

    private static ReadOnlySpan<byte> KeptPrefix => "user.strata."u8;

    private static ReadOnlySpan<byte> TrustedPrefix => "trusted."u8;

    private static ReadOnlySpan<byte> Capability => "security.capability"u8;

    private static ReadOnlySpan<byte> KeptCapability => "user.strata.security.capability"u8;

    public Errno GetExtendedAttribute(ulong node, ReadOnlySpan<byte> name, Span<byte> value, out int length)
    {
        length = 0;
        Errno error = Resolve(node, out _, out int descriptor);
        if (error == Errno.None)
        {
            Span<byte> hostName = stackalloc byte[HostFiles.LongestName];
            error = ToHostName(name, hostName, out int nameLength);
            error = error switch
            {
                Errno.None => HostFiles.GetAttribute(descriptor, hostName[..nameLength], value, out length),
                Errno.EPERM => Errno.ENODATA,
                _ => error,
            };
        }

        _nodes.Trim();
        return error;
    }

    public Errno SetExtendedAttribute(ulong node, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, uint flags)
    {
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        Errno error = Resolve(node, out Node? file, out int descriptor);
        if (error == Errno.None)
        {
            Span<byte> hostName = stackalloc byte[HostFiles.LongestName];
            error = ToHostName(name, hostName, out int nameLength);
            error = error == Errno.None ? HostFiles.SetAttribute(descriptor, hostName[..nameLength], value, flags) : error;
            file!.MayHaveCapability |= error == Errno.None && name.SequenceEqual(Capability);
        }

        _nodes.Trim();
        return error;
    }

    public Errno RemoveExtendedAttribute(ulong node, ReadOnlySpan<byte> name)
    {
        if (IsReadOnly)
        {
            return Errno.EROFS;
        }

        Errno error = Resolve(node, out _, out int descriptor);
        if (error == Errno.None)
        {
            Span<byte> hostName = stackalloc byte[HostFiles.LongestName];
            error = ToHostName(name, hostName, out int nameLength);
            error = error switch
            {
                Errno.None => HostFiles.RemoveAttribute(descriptor, hostName[..nameLength]),
                Errno.EPERM => Errno.ENODATA,
                _ => error,
            };
        }

        _nodes.Trim();
        return error;
    }

    public Errno ListExtendedAttributes(ulong node, Span<byte> names, out int length)
    {
        length = 0;
        _attributeNames ??= new byte[HostFiles.LargestAttribute];
        Errno error = Resolve(node, out _, out int descriptor);
        int count = 0;
        if (error == Errno.None)
        {
            error = HostFiles.ListAttributes(descriptor, _attributeNames, out count);
        }

        _nodes.Trim();
        if (error is Errno.EOPNOTSUPP or Errno.EPERM)
        {
            return Errno.None; // there are none
        }

        ReadOnlySpan<byte> rest = _attributeNames.AsSpan(0, count);
        while (error == Errno.None && !rest.IsEmpty)
        {
            int end = rest.IndexOf((byte)0);
            ReadOnlySpan<byte> name = ToGuestName(rest[..end]);
            rest = rest[(end + 1)..];
            if (name.IsEmpty)
            {
                continue;
            }

            if (!names.IsEmpty)
            {
                if (length + name.Length + 1 > names.Length)
                {
                    return Errno.ERANGE;
                }

                name.CopyTo(names[length..]);
                names[length + name.Length] = 0;
            }

            length += name.Length + 1;
        }

        return error;
    }

    /// <summary>
    /// Whoever writes a file, cuts it or gives it away takes its capabilities from it, which the guest's kernel leaves to the share.
    /// </summary>
    private static void DropCapability(Node file, int descriptor)
    {
        if (file is { Kind: KindFile, MayHaveCapability: true })
        {
            Errno error = HostFiles.RemoveAttribute(descriptor, KeptCapability);
            file.MayHaveCapability = error is not (Errno.None or Errno.ENODATA or Errno.EOPNOTSUPP);
        }
    }

    /// <returns>EPERM for a name that is kept from the guest, EOPNOTSUPP for one of a kind that is not served.</returns>
    private static Errno ToHostName(ReadOnlySpan<byte> name, Span<byte> hostName, out int length)
    {
        length = name.Length;
        if (name.StartsWith(KeptPrefix))
        {
            return Errno.EPERM;
        }

        bool isUsers = name.StartsWith(UserPrefix) && name.Length > UserPrefix.Length;
        bool isKept = (name.StartsWith(TrustedPrefix) && name.Length > TrustedPrefix.Length) || name.SequenceEqual(Capability);
        if (!isUsers && !isKept)
        {
            return Errno.EOPNOTSUPP;
        }

        length += isKept ? KeptPrefix.Length : 0;
        if (length > hostName.Length)
        {
            return Errno.ERANGE;
        }

        (isKept ? KeptPrefix : default).CopyTo(hostName);
        name.CopyTo(hostName[(length - name.Length)..]);
        return Errno.None;
    }

    /// <returns>Empty for a name that the guest does not see.</returns>
    private static ReadOnlySpan<byte> ToGuestName(ReadOnlySpan<byte> hostName)
    {
        if (!hostName.StartsWith(KeptPrefix))
        {
            return hostName.StartsWith(UserPrefix) ? hostName : default;
        }

        ReadOnlySpan<byte> kept = hostName[KeptPrefix.Length..];
        return kept.StartsWith(TrustedPrefix) || kept.SequenceEqual(Capability) ? kept : default;
    }
}
