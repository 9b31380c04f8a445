namespace Strata.X86.Kvm;

/// <summary>KVM cannot be used here, or not for this machine; the message is a sentence with cause and remedy.</summary>
public sealed class KvmUnavailableException : Exception
{
    public KvmUnavailableException()
    {
    }

    public KvmUnavailableException(string message)
        : base(message)
    {
    }

    public KvmUnavailableException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
