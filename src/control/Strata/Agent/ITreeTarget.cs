namespace Strata;

/// <summary>Takes what a guest sends of a tree. The guest is hostile: nodes in an order that makes none are refused.</summary>
internal interface ITreeTarget
{
    /// <exception cref="InvalidDataException">The guest broke the rules.</exception>
    /// <exception cref="StrataException">The host cannot write what was named itself.</exception>
    void Add(TreeNode node);

    /// <summary>More of the file that was added last.</summary>
    void Write(ReadOnlySpan<byte> content);

    /// <summary>The guest cannot read an entry, or the rest of the file that was added last.</summary>
    /// <param name="what">For people.</param>
    void LeaveOut(string what);

    /// <summary>Ends what was begun last.</summary>
    /// <returns>True if it was the tree, false if it was a file.</returns>
    bool End();

    /// <summary>The copy failed: half a file goes, the rest is left in order.</summary>
    void Abandon();
}
