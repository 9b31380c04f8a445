namespace Strata.Core.Sharing;

/// <summary>Why a file operation failed: Linux's numbers on x86-64 and arm64, under the names of errno(3).</summary>
/// <remarks>Numbers that a host returns and this list does not name are passed on as they are.</remarks>
public enum Errno
{
    None = 0,
    EPERM = 1,
    ENOENT = 2,
    EIO = 5,
    ENXIO = 6,
    EBADF = 9,
    ENOMEM = 12,
    EACCES = 13,
    EEXIST = 17,
    EXDEV = 18,
    ENOTDIR = 20,
    EISDIR = 21,
    EINVAL = 22,
    ENFILE = 23,
    EMFILE = 24,
    EFBIG = 27,
    ENOSPC = 28,
    EROFS = 30,
    ERANGE = 34,
    ENAMETOOLONG = 36,
    ENOSYS = 38,
    ENOTEMPTY = 39,
    ELOOP = 40,
    ENODATA = 61,
    EPROTO = 71,
    EOPNOTSUPP = 95,
    ESTALE = 116,
}
