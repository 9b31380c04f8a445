namespace Strata.Display.Rfb;

/// <summary>A client did what the protocol does not have. The message goes on from "the client was hung up on: ".</summary>
internal sealed class RfbException : Exception
{
    public RfbException(string message)
        : base(message)
    {
    }

    public RfbException(string message, Exception inner)
        : base(message, inner)
    {
    }

    public RfbException()
    {
    }
}
